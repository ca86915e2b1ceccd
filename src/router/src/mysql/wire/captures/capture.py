#!/usr/bin/env python3
"""Records what a real server answers, in each dialect, to the same commands.

    python3 capture.py > 10.11.txt

Starts a mariadbd of its own in a temporary directory. A line is: dialect, name, command byte, the reply in hex.
`server` and `server-cache` are what the router asks of servers (with session tracking of everything); the others are
what a server sends to a client of that dialect, so what the router has to make of the former.
"""
import os, shutil, socket, struct, subprocess, sys, tempfile, time

DEPRECATE_EOF, SESSION_TRACK, MULTI, LOCAL_FILES, CACHE, BULK = 1 << 24, 1 << 23, 7 << 16, 128, 16, 4
DIALECTS = {
    "server": (DEPRECATE_EOF | SESSION_TRACK, 0, True),
    "server-cache": (DEPRECATE_EOF | SESSION_TRACK, CACHE, True),
    "eof-track": (DEPRECATE_EOF | SESSION_TRACK, 0, False),
    "eof": (DEPRECATE_EOF, 0, False),
    "track": (SESSION_TRACK, 0, False),
    "old": (0, 0, False),
    "eof-track-cache": (DEPRECATE_EOF | SESSION_TRACK, CACHE, False),
    "old-cache": (0, CACHE, False),
}
TRACK = ("SET session_track_system_variables='*', session_track_state_change=ON, session_track_schema=ON, "
         "session_track_transaction_info='STATE'")
QUERIES = {
    "one": "SELECT 1",
    "use": "use w",
    "insert": "insert into t(b) values('x'),('y'),('z')",
    "update": "update t set b='q' where a=1",
    "no rows": "select * from t where a=99",
    "null and empty": "select null, '', 'a' union select '', null, repeat('b',300)",
    "set names": "set names latin1",
    "set sql_mode": "set sql_mode=''",
    "begin": "begin",
    "select in a transaction": "select a,b from t limit 2",
    "insert in a transaction": "insert into t(b) values('k')",
    "commit": "commit",
    "two selects": "select 1; select 2",
    "insert and select": "insert into t(b) values('m'); select count(*) from t; do 1",
    "error": "select nosuch",
    "error after rows": "select if(a=3, (select 1 union select 2), a) from t",
    "error in the second": "select 1; select nosuch; select 2",
    "returning": "insert into t(b) values('r') returning a",
    "call": "call p()",
    "set autocommit": "set autocommit=0",
    "set autocommit back": "set autocommit=1",
    "temporary table": "create temporary table tmp(a int)",
    "show warnings": "show warnings",
}


class Server:
    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="capture")
        data, self.socket = self.dir + "/d", self.dir + "/s"
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["mariadb-install-db", "--no-defaults", "--datadir=" + data, "--skip-test-db",
                        "--auth-root-authentication-method=normal"], check=True, **quiet)
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", "--user=root", "--datadir=" + data, "--socket=" + self.socket,
             "--skip-networking", "--innodb-buffer-pool-size=16M", "--log-bin=b", "--local-infile=1"], **quiet)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir)


class Client:
    def __init__(self, server, capabilities, extended):
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(600):
            try:
                self.socket.connect(server.socket)
                break
            except OSError:
                time.sleep(0.1)
        self.packet()
        plain = 4 | 512 | 8192 | 32768 | 1 << 19 | MULTI | LOCAL_FILES
        self.send(struct.pack("<IIB", capabilities | plain, 1 << 24, 33) + bytes(19) + struct.pack("<I", extended | BULK)
                  + b"root\0\0mysql_native_password\0", 1)
        answer = self.packet()
        while answer[4] == 0xFE:
            self.send(b"", answer[3] + 1)
            answer = self.packet()
        assert answer[4] == 0, answer

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            assert piece
            data += piece
        return data

    def packet(self):
        head = self.exactly(4)
        return head + self.exactly(int.from_bytes(head[:3], "little"))

    def send(self, payload, sequence=0):
        self.socket.sendall(struct.pack("<I", len(payload))[:3] + bytes([sequence]) + payload)

    def drain(self):
        self.socket.settimeout(0.2)
        data = b""
        try:
            while piece := self.socket.recv(1 << 16):
                data += piece
        except socket.timeout:
            pass
        self.socket.settimeout(None)
        return data

    def ask(self, payload):
        self.send(payload)
        return self.drain()


def last_sequence(reply):
    while reply:
        sequence, reply = reply[3], reply[4 + int.from_bytes(reply[:3], "little"):]
    return sequence


def record(client, show):
    show("init db", 2, client.ask(b"\2w"))
    for name, text in QUERIES.items():
        show(name, 3, client.ask(b"\3" + text.encode()))
    for name, text in (("file", "load data local infile 'f' into table t"),
                       ("file between", "select 1; load data local infile 'f' into table t; select 3")):
        reply = client.ask(b"\3" + text.encode())
        sequence = last_sequence(reply)
        client.send(b"90\tfile\n91\tfile\n", sequence + 1)
        client.send(b"", sequence + 2)
        show(name, 3, reply + client.drain())
    show("field list", 4, client.ask(b"\4t\0"))
    show("debug", 0x0D, client.ask(b"\x0d"))
    show("ping", 0x0E, client.ask(b"\x0e"))
    show("set option", 0x1B, client.ask(b"\x1b\0\0"))
    show("unknown", 0x7F, client.ask(b"\x7f"))
    show("prepare nothing", 0x16, client.ask(b"\x16do 1"))
    show("prepare parameter", 0x16, client.ask(b"\x16do ?"))
    show("prepare column", 0x16, client.ask(b"\x16select 1"))
    show("prepare error", 0x16, client.ask(b"\x16selec"))
    reply = client.ask(b"\x16select a,b from t where a<? and b<>?")
    show("prepare", 0x16, reply)
    statement = reply[5:9]
    execute = b"\x17" + statement + b"\0\1\0\0\0" + b"\0\1" + b"\x03\0\xfd\0" + struct.pack("<I", 9) + b"\1k"
    show("execute", 0x17, client.ask(execute))
    show("execute again", 0x17, client.ask(execute))
    show("execute with cursor", 0x17, client.ask(execute[:5] + b"\1" + execute[6:]))
    fetch = b"\x1c" + statement
    show("fetch", 0x1C, client.ask(fetch + struct.pack("<I", 2)))
    show("fetch to the end", 0x1C, client.ask(fetch + struct.pack("<I", 100)))
    show("fetch without cursor", 0x1C, client.ask(fetch + struct.pack("<I", 100)))
    show("reset statement", 0x1A, client.ask(b"\x1a" + statement))
    reply = client.ask(b"\x16call p()")
    show("execute call", 0x17, client.ask(b"\x17" + reply[5:9] + b"\0\1\0\0\0"))
    reply = client.ask(b"\x16insert into t(b) values(?)")
    rows = b"\0\1a\0\1b\1"
    show("bulk", 0xFA, client.ask(b"\xfa" + reply[5:9] + b"\x80\0" + b"\xfd\0" + rows))
    show("reset connection", 0x1F, client.ask(b"\x1f"))


with Server() as server:
    for dialect, (capabilities, extended, track) in DIALECTS.items():
        client = Client(server, capabilities, extended)
        for text in ("drop database if exists w", "create database w", "use w",
                     "create table t(a int primary key auto_increment, b varchar(20))",
                     "create procedure p() begin select 1; set autocommit=1; select a from t limit 1; end"):
            assert client.ask(b"\3" + text.encode())[4] == 0
        if track:
            client.ask(b"\3" + TRACK.encode())
        record(client, lambda name, command, reply: print(
            dialect, name, f"{command:02x}", reply.hex(), sep="\t"))
