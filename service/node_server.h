/* node_server.h: where other nodes fetch the live output of the jobs that run here; nothing else is served there. */
#pragma once

#include "service/http.h"
#include "service/service.h"

/* At NODE_LISTEN, which is set, for those who have SERVICE's node's key. SERVICE is borrowed; its node learns its address.
 * *RET: http_server_close by the caller. */
int node_server_open(struct service *service, struct http_server **ret, struct sandbox_error *err);
