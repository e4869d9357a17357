// Preloaded into emulators that listen on every address and offer no choice: nothing of a test is for other machines.
const net = require('node:net');
const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (first, ...rest) {
	if (typeof first === 'object' && first !== null)
		return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest);
	return listen.call(this, first, '127.0.0.1', ...rest.filter((one) => typeof one !== 'string'));
};
