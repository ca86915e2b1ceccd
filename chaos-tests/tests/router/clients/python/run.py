"""Runs the suite with PyMySQL and prints whatever it gets."""

import os
import re
import sys

import pymysql
from pymysql.charset import charset_by_name
from pymysql.constants import CLIENT

suite, host, port, password, data = sys.argv[1:6]
# The authority whose certificate the server must have; without it there is no TLS.
ca = sys.argv[6] if len(sys.argv) > 6 else None


def connect(user="compat"):
    conn = pymysql.connect(
        host=host,
        port=int(port),
        user=user,
        password=password,
        database="compat",
        charset="utf8mb4",
        local_infile=True,
        autocommit=None,
        client_flag=CLIENT.MULTI_STATEMENTS,
        ssl_ca=ca,
        ssl_verify_cert=True if ca else None,
        ssl_verify_identity=True if ca else None,
    )
    with conn.cursor() as cursor:
        cursor.execute("SET @quorate_causal_reads = 'global'")
    return conn


def show(conn, sql, args=None):
    with conn.cursor() as cursor:
        # Its own placeholders are %s; without arguments it looks for none.
        cursor.execute(sql.replace("%", "%%").replace("?", "%s") if args else sql, args or None)
        while True:
            print("  columns", cursor.description)
            for row in cursor.fetchall():
                print("  row", row)
            result = cursor._result
            print("  end", cursor.rowcount, cursor.lastrowid, result.warning_count, (result.server_status or 0) & 0x3FFF)
            if not cursor.nextset():
                return


def do(connections, name, mark, rest):
    if name not in connections:
        connections[name] = connect()
    conn = connections[name]
    if mark == ":":
        names = re.match(r"SET NAMES (\w+)", rest)
        show(conn, rest)
        if names:
            # It decodes by the character set that it connected with, whatever is set later.
            conn.encoding = charset_by_name(names[1]).encoding
        return None
    if mark == "?":
        end = rest.index("] ") + 1
        return show(conn, rest[end + 1 :], eval(rest[:end].replace("null", "None")))
    verb, _, what = rest.partition(" ")
    if verb == "infile":
        return show(conn, what.replace("FILE INTO", "'%s' INTO" % data))
    if verb == "use":
        return conn.select_db(what)
    # What this client cannot do is done by a new connection.
    conn.close()
    del connections[name]
    if verb != "close":
        connections[name] = connect(what or "compat")


def main():
    connections = {}
    for line in open(suite, encoding="utf-8"):
        step = re.match(r"(\w+)([:?!]) (.*)", line)
        if not step:
            continue
        print(line.rstrip())
        try:
            do(connections, *step.groups())
        except pymysql.err.Error as error:
            print("  error", type(error).__name__, error.args)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    main()
