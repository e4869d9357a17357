/* objects_s3.h: objects in a bucket of S3. */
#pragma once

#include "service/aws/client.h"
#include "service/objects.h"

struct objects_s3_options {
	struct aws_client *client; /* of AWS_S3; borrowed */
	const char *bucket;	   /* borrowed, as is the next */
	const char *
		public_endpoint; /* where downloaders find the bucket: "https://files.example.org"; NULL: where we do */
};

/* Asks nobody: whether the bucket is there, `ping` says. */
int objects_s3_open(
	const struct objects_s3_options *options, struct objects **ret, struct sandbox_error *err);
