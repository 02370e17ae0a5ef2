// RFC 862 with Node's net, with backpressure. TCP_NODELAY is off, as net has it; with one outstanding message a
// connection Nagle's algorithm has nothing to wait for.
const net = require("node:net");

const server = net.createServer((socket) => {
  socket.on("data", (data) => {
    if (!socket.write(data)) socket.pause();
  });
  socket.on("drain", () => socket.resume());
  socket.on("error", () => socket.destroy());
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () => console.log(`127.0.0.1:${server.address().port}`));
