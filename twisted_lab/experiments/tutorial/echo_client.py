# echo_client.py
from socket import *
HOST = '127.0.0.1'
PORT = 5678
s = socket(AF_INET, SOCK_STREAM)
s.connect((HOST, PORT))
while True:
    outdata = input('请输入消息:')
    print(f'发送:{outdata}')
    s.send(outdata.encode())
    indata = s.recv(1024)
    if len(indata) == 0:
        s.close()
        print('服务器连接关闭')
        break
    print(f'收到:{indata.decode()}')
