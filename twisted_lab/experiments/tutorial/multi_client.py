from socket import *
import selectors
HOST = '127.0.0.1'
PORT = 5678
sel = selectors.DefaultSelector()
messages = ["Message 1 from client", "Message 2 from client"]
def start_connections(host, port, num_conns):
    for i in range(num_conns):
        connid = i + 1
        s = socket(AF_INET, SOCK_STREAM)
        s.setblocking(False)
        s.connect_ex((HOST, PORT))
        sel.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE, data=messages.copy())
def service_connection(key, mask):
    s = key.fileobj
    messages = key.data
    if mask & selectors.EVENT_READ:
        indata = s.recv(1024)
        if indata:
            print(f"received {indata!r} from connection {s}")
        if not indata or len(messages) == 0:
            sel.unregister(s)
            s.close()
    if mask & selectors.EVENT_WRITE:
        if len(messages) > 0:
            outdata = messages.pop(0)
            print(f'send {outdata!r} from connection {s}')
            sent = s.send(outdata.encode())
start_connections(HOST, PORT, 2)
try:
    while True:
        events = sel.select(timeout=1)
        if events:
            for key, mask in events:
                service_connection(key, mask)
        # Check for a socket being monitored to continue.
        if not sel.get_map():
            break
except KeyboardInterrupt:
    print("Caught keyboard interrupt, exiting")
finally:
    sel.close()
