# echo_server.py
from socket import *
HOST = '0.0.0.0'
PORT = 5678
# 建立socket
s = socket(AF_INET, SOCK_STREAM)
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
# 绑定IP和端口
s.bind((HOST, PORT))
# 开始监听,最多连接5个设备
s.listen(5)
print(f"服务器已启动,请访问({HOST}:{PORT}),等待连接...")
while True:
    # 等待并接收连接
    conn, addr = s.accept()
    print(f'{addr}已连接')
    while True:
        # 接收客户端信息
        indata = conn.recv(1024)
        if len(indata) == 0:
            # 关闭连接
            conn.close()
            print(f'客户端{addr}连接关闭')
            break
        print(f'从{addr}接收到:{indata.decode()}')
        outdata = 'echo ' + indata.decode()
        print(f'发送{indata}到{addr}')
        # 向客户端发送信息
        conn.send(outdata.encode())
