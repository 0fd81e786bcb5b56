"""Prints the first activity after a cursor, received by gql over WebSocket."""

import asyncio
import json
import sys

from gql import Client, GraphQLRequest
from gql.transport.websockets import WebsocketsTransport


async def main(url: str, after: str) -> None:
    document = "subscription($after: String) { activity(after: $after) { verb } }"
    request = GraphQLRequest(document, variable_values={"after": after})
    async with Client(transport=WebsocketsTransport(url=url)) as session:
        async for result in session.subscribe(request):
            print(json.dumps(result))
            break


asyncio.run(main(*sys.argv[1:]))
