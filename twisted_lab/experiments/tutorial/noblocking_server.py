# noblocking_server.py
from socket import *
HOST = '0.0.0.0'
PORT = 5678
# 建立socket
s = socket(AF_INET, SOCK_STREAM)
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
s.setblocking(False)
# 绑定IP和端口
s.bind((HOST, PORT))
# 开始监听,最多连接5个设备
s.listen(5)
connlist = []
print(f"服务器已启动,请访问({HOST}:{PORT}),等待连接...")
while True:
    try:
        # 等待并接收连接
        conn, addr = s.accept()
        print(f'{addr}已连接')
        connlist.append(conn)
    except:
        pass
    for conn in connlist:
        try:
            # 接收客户端信息
            indata = conn.recv(1024)
            if len(indata) == 0:
                # 关闭连接
                connlist.remove(conn)
                conn.close()
                print(f'客户端{conn}连接关闭')
                break
            print(f'从{conn}接收到:{indata.decode()}')
            outdata = 'echo ' + indata.decode()
            print(f'发送{outdata}到{conn}')
            # 向客户端发送信息
            conn.send(outdata.encode())
        except:
            pass
