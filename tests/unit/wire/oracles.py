"""h11 as the second reader: what two independent readers agree on is not ambiguous."""

import h11


def requests_by_h11(sent: bytes) -> tuple[list[tuple[str, str, bytes]], bool]:
    """Method, target and body of each whole request as h11 reads them, and whether it refused what came then.

    An absolute target is reduced to its path, as our reader does. Reading ends with the connection.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(sent)
    found: list[tuple[str, str, bytes]] = []
    method, target, body = "", "", b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                method, target, body = event.method.decode(), event.target.decode(), b""
                if target.startswith("http://"):
                    target = "/" + target.split("/", 3)[3]
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found.append((method, target, body))
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return found, False
                connection.start_next_cycle()
            elif event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return found, False
    except (h11.RemoteProtocolError, IndexError):
        return found, True
