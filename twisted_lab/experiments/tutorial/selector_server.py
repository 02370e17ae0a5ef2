from socket import *
import selectors
sel = selectors.DefaultSelector()
def accept(s, mask):
    # 接收连接
    conn, addr = s.accept()
    print(f'来自 {addr} 的 {conn} 已连接')
    conn.setblocking(False)
    sel.register(conn, selectors.EVENT_READ | selectors.EVENT_WRITE , read)
def read(conn, mask):
    # 接收客户端信息
    indata = conn.recv(1024)
    if len(indata) == 0:
        # 关闭连接
        print(f'客户端{conn}连接关闭')
        sel.unregister(conn)
        conn.close()
    else:
        print(f'从{conn}接收到:{indata.decode()}')
        outdata = 'echo ' + indata.decode()
        print(f'发送{outdata}到{conn}')
        # 向客户端发送信息
        conn.send(outdata.encode())
HOST = '0.0.0.0'
PORT = 5678
# 建立socket
s = socket(AF_INET, SOCK_STREAM)
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
# 绑定IP和端口
s.bind((HOST, PORT))
# 开始监听,最多连接5个设备
s.listen(5)
# 设置不要阻塞
s.setblocking(False)
sel.register(s, selectors.EVENT_READ, accept)
print(f"服务器已启动,请访问({HOST}:{PORT}),等待连接...")
while True:
    events = sel.select()
    for key, mask in events:
        callback = key.data
        callback(key.fileobj, mask)
