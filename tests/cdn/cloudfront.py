"""The CloudFront of moto on a port of its own, and boto3, which reads what arrived there.

The first line of the output is its address. Then each line of the input is answered with one of JSON: `create` makes a
distribution and tells its ID, `read ID` lists its invalidations, oldest first. It ends with its input.
"""

import json
import logging
import sys

import boto3
from moto.server import ThreadedMotoServer


def create(client, number):
    origin = {
        "Id": "larder",
        "DomainName": "shop.test",
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"},
    }
    behaviour = {"TargetOriginId": "larder", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": "none"}
    config = {
        "CallerReference": str(number),
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": behaviour,
        "Comment": "",
        "Enabled": True,
    }
    return client.create_distribution(DistributionConfig=config)["Distribution"]["Id"]


def read(client, distribution):
    pages = client.get_paginator("list_invalidations").paginate(DistributionId=distribution)
    for page in pages:
        for summary in page["InvalidationList"].get("Items", []):
            found = client.get_invalidation(DistributionId=distribution, Id=summary["Id"])
            batch = found["Invalidation"]["InvalidationBatch"]
            yield {
                "reference": batch["CallerReference"],
                "quantity": batch["Paths"]["Quantity"],
                "paths": batch["Paths"]["Items"],
            }


def main():
    logging.getLogger("werkzeug").disabled = True
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "reader", "aws_secret_access_key": "reader", "region_name": "us-east-1"}
    client = boto3.client("cloudfront", endpoint_url=address, **keys)
    print(address)
    for number, line in enumerate(sys.stdin):
        match line.split():
            case ["create"]:
                answer = create(client, number)
            case ["read", distribution]:
                answer = list(read(client, distribution))
        print(json.dumps(answer))
    server.stop()


main()
