"""Gives moto a user with every right, then makes it check signatures. Prints the user's key and its secret."""
import http.client
import os
import re
import urllib.parse

port = int(os.environ["MOTO_PORT"])
EVERYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


def post(path, body, host, content_type="application/x-www-form-urlencoded"):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    authorization = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0"
    connection.request("POST", path, body, {"Host": host, "Authorization": authorization,
                       "Content-Type": content_type})
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, (path, body, answer.status, text)
    return text


def iam(**parameters):
    return post("/", urllib.parse.urlencode({"Version": "2010-05-08", **parameters}), "iam.amazonaws.com")


iam(Action="CreateUser", UserName="tests")
iam(Action="PutUserPolicy", UserName="tests", PolicyName="all", PolicyDocument=EVERYTHING)
key = iam(Action="CreateAccessKey", UserName="tests")
post("/moto-api/reset-auth", "0", "127.0.0.1", "text/plain")
print(*(re.search(f"<{name}>([^<]+)</{name}>", key).group(1) for name in ("AccessKeyId", "SecretAccessKey")))
