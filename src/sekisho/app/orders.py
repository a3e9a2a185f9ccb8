"""The orders of a supervisor's children: everything that they are told at their start."""

import os
import socket
from collections.abc import Mapping, Sequence

from sekisho.app import doors, lifecycle, settings
from sekisho.dataplane.settings import Journal, WorkerSettings


def of_node(
    loaded: settings.Loaded,
    plan: Sequence[doors.Planned],
    addresses: Mapping[str, tuple[str, int]],
    flags: Mapping[str, str],
    workers: tuple[int, ...],
    started_at: int,
    *,
    first: bool,
) -> lifecycle.Orders:
    """Of a node of this supervisor; `addresses` are where the doors are bound, `workers` who serves now."""
    return lifecycle.Orders(
        home=str(loaded.home.path),
        settings=loaded.settings,
        origins=loaded.origins,
        supervisor=os.getpid(),
        gateway_port=addresses["gateway"][1],
        console_port=addresses["console"][1],
        started_at=started_at,
        first=first,
        secret_key=loaded.secret_key,
        workers=workers,
        flags=dict(flags),
        listeners=doors.told(plan, addresses),
    )


def of_worker(number: int, loaded: settings.Loaded, plan: Sequence[doors.Planned], sockets: Mapping[str, socket.socket]) -> WorkerSettings:
    """Of a worker, which inherits these sockets."""
    home, configured = loaded.home, loaded.settings
    return WorkerSettings(
        worker=number,
        workers=configured.workers.count,
        journal_directory=str(home.journal),
        link_path=str(home.link_socket),
        tunnel_path=str(home.tunnel_socket),
        listeners=doors.listeners(plan, sockets),
        bounds=configured.bounds,
        trust=configured.trust,
        journal=Journal(segment_bytes=configured.journal.segment_bytes, on_full=configured.journal.on_full),
        log_level=configured.logs.level,
        tls=doors.certificate(loaded),
        doors_path=str(home.doors_socket),
    )
