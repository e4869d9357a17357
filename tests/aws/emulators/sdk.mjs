// The other side, by AWS's own SDK for JavaScript: reads what we wrote, writes what we are to read, signs what we signed.
// Arguments: a JSON object. Prints one.
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

const task = JSON.parse(process.argv[2]);
const dynamodb = new DynamoDBClient();
const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
const s3 = new S3Client({ forcePathStyle: true });

async function read() {
	const { Item } = await dynamodb.send(new GetItemCommand({ TableName: task.table, Key: { executionId: { S: task.id } } }));
	const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: task.queue, WaitTimeSeconds: 5 }));
	const object = await s3.send(new GetObjectCommand({ Bucket: task.bucket, Key: task.key }));
	return {
		item: Item,
		message: JSON.parse(Messages[0].Body),
		body: await object.Body.transformToString(),
		type: object.ContentType,
		disposition: object.ContentDisposition,
	};
}

// As the service that we take the place of writes it.
async function write() {
	const now = new Date().toISOString().replace('Z', '000Z');
	await dynamodb.send(new PutItemCommand({
		TableName: task.table,
		Item: {
			executionId: { S: task.id },
			userId: { S: 'ann' },
			language: { S: 'cpp' },
			code: { S: 'int main() {}' },
			input: { S: '1 2\n' },
			status: { S: 'queued' },
			createdAt: { S: now },
			updatedAt: { S: now },
		},
	}));
	await sqs.send(new SendMessageCommand({
		QueueUrl: task.queue,
		MessageBody: JSON.stringify({ executionId: task.id, language: 'cpp' }),
	}));
	await s3.send(new PutObjectCommand({ Bucket: task.bucket, Key: task.key, Body: 'written by the SDK' }));
	return {};
}

async function sign() {
	const command = new GetObjectCommand({ Bucket: task.bucket, Key: task.key });
	const d = task.date;
	const signingDate = new Date(`${d.slice(0, 4)}-${d.slice(4, 6)}-${d.slice(6, 11)}:${d.slice(11, 13)}:${d.slice(13)}`);
	return { url: await getSignedUrl(s3, command, { expiresIn: task.ttl, signingDate }) };
}

console.log(JSON.stringify(await { read, write, sign }[task.do]()));
