// Reads a stream with Node's fetch, part by part, each by its Content-Length, and writes
// the JPEGs to standard output: node fetch.mjs ADDRESS

const answer = await fetch(process.argv[2]);
if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);

let data = Buffer.alloc(0);
for await (const chunk of answer.body) {
  data = Buffer.concat([data, chunk]);
  for (;;) {
    const end = data.indexOf("\r\n\r\n");
    if (end < 0) break;
    const begin = end + 4;
    const head = data.toString("latin1", 0, end);
    const length = Number(/^content-length: *(\d+)$/im.exec(head)[1]);
    if (data.length < begin + length) break;
    process.stdout.write(data.subarray(begin, begin + length));
    data = data.subarray(begin + length);
  }
}
