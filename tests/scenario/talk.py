"""A conversation at a terminal of its own: talk.py COMMAND... drives it by what stands on standard input, one step a line.

    send TEXT     type it (\\n, \\r, \\t, \\x.. and \\e as in C)
    wait TEXT     until it was shown, behind what was waited for last; else the steps end with 1
    run COMMAND   of the shell, meanwhile; it must end with 0
    end STATUS    the command must end by itself with it

What was shown goes to standard output whole."""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

LIMIT = 60


class Talk:
    def __init__(self, command):
        self.shown, self.at = b"", 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def more(self, until):
        if not select.select([self.fd], [], [], max(0, until - time.time()))[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other end was closed
            return False
        self.shown += data
        return bool(data)

    def wait(self, text):
        until = time.time() + LIMIT
        while True:
            k = self.shown.find(text, self.at)
            if k >= 0:
                self.at = k + len(text)
                return True
            if not self.more(until):
                return False

    def end(self, status):
        until = time.time() + LIMIT
        while self.more(until):
            pass
        if time.time() >= until:
            os.kill(self.pid, signal.SIGKILL)
        got = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return got == status


def unescape(s):
    s = s.replace("\\e", "\\x1b")
    return re.sub(r"\\x([0-9a-f]{2})|\\(.)", lambda m: chr(int(m[1], 16)) if m[1] else {"n": "\n", "r": "\r", "t": "\t"}.get(m[2], m[2]), s)


def main():
    talk, ok = Talk(sys.argv[1:]), True
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if not word or word == "#":
            continue
        text = unescape(rest).encode()
        if word == "send":
            os.write(talk.fd, text)
        elif word == "run":
            ok = subprocess.run(rest, shell=True, stdout=subprocess.DEVNULL).returncode == 0
        else:
            ok = talk.wait(text) if word == "wait" else talk.end(int(rest))
        if not ok:
            sys.stderr.write("at: %s" % line)
            break
    if talk.pid:
        os.kill(talk.pid, signal.SIGKILL)
    sys.stdout.buffer.write(talk.shown)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
