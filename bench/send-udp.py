"""Sends UDP packets faster than a system call a packet allows: the kernel cuts each datagram of up to 64 KiB into packets
(UDP_SEGMENT, udp(7)), before the interface when that is told `gso_max_segs 1`. Prints how many it sent and in how many
seconds.

    send-udp.py FROM TO PACKETS FRAME_BYTES CONVERSATIONS PACKETS_PER_SECOND|max
"""

import socket
import sys
import time

UDP_SEGMENT = 103
# Ethernet's, IPv4's and UDP's headers.
HEADER_BYTES = 14 + 20 + 8
# What the kernel cuts one datagram into at most, and what IPv4 lets it be long.
MAX_SEGMENTS, MAX_BYTES = 64, 65_507

source, destination = sys.argv[1:3]
packets, frame_bytes, conversations = map(int, sys.argv[3:6])
per_second = None if sys.argv[6] == "max" else int(sys.argv[6])

payload_bytes = frame_bytes - HEADER_BYTES
at_once = min(MAX_SEGMENTS, MAX_BYTES // payload_bytes)
sockets = []
for port in range(10_000, 10_000 + conversations):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, payload_bytes)
    sender.bind((source, port))
    sender.connect((destination, 9))
    sockets.append(sender)

data = bytes(at_once * payload_bytes)
sent = turn = 0
began = time.monotonic()
while sent < packets:
    count = min(at_once, packets - sent)
    sockets[turn % conversations].send(data[: count * payload_bytes])
    sent += count
    turn += 1
    if per_second is not None:
        ahead = sent / per_second - (time.monotonic() - began)
        if ahead > 0.0002:
            time.sleep(ahead)
print(f"{sent} packets in {time.monotonic() - began:.6f} seconds")
