"""listen.py FILE COMMAND...: runs the command with one more listening socket, called https (or LISTEN_AS), as systemd gives them; FILE gets its port."""
import os, socket, sys

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.bind(("127.0.0.1", 0))
s.listen(512)
with open(sys.argv[1], "w") as f:
    f.write(str(s.getsockname()[1]))
if s.fileno() == 3:
    os.set_inheritable(3, True)
else:
    os.dup2(s.fileno(), 3, inheritable=True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=os.environ.pop("LISTEN_AS", "https"))
os.execv(sys.argv[2], sys.argv[2:])
