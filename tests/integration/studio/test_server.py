"""The studio's socket."""

import asyncio
import socket

from lastlayer.studio.server import listen


def test_the_end_of_an_answer_does_not_wait_for_an_acknowledgement_of_its_beginning() -> None:
    async def has_no_delay() -> bool:
        seen: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

        def accept(_: asyncio.StreamReader, accepted: asyncio.StreamWriter) -> None:
            seen.set_result(accepted)

        async with await asyncio.start_server(accept, sock=listen("127.0.0.1:0")) as server:
            host, port = server.sockets[0].getsockname()
            _, caller = await asyncio.open_connection(host, port)
            accepted = await seen
            option = accepted.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for writer in (caller, accepted):
                writer.close()
                await writer.wait_closed()
            return bool(option)

    assert asyncio.run(has_no_delay())
