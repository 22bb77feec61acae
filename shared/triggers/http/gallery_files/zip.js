// Pack files into a zip, without compression: pictures are compressed already. No file is in memory as a whole:
// a part of a picture is read for its checksum and then kept by the browser, which may put it on disk.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});
const PART = 4 << 20;
const MOST = 0xffffffff;
// Names are UTF-8; the version that is needed to unpack.
const [FLAGS, VERSION] = [0x0800, 20];

async function checksum(blob) {
  let crc = 0xffffffff;
  for (let at = 0; at < blob.size; at += PART) {
    const part = new Uint8Array(await blob.slice(at, at + PART).arrayBuffer());
    for (const byte of part) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function record(signature, fields, name) {
  const bytes = new Uint8Array(4 + fields.reduce((sum, [size]) => sum + size, 0) + name.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  bytes.set(name, at);
  return bytes;
}

// Return a zip of files, each a name and a function that fetches its Blob; `progress` is called before each.
// Format: APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
export async function zip(files, progress) {
  const parts = [];
  const directory = [];
  let at = 0;
  for (const [index, [path, fetched]] of files.entries()) {
    progress(index);
    const blob = await fetched();
    const name = new TextEncoder().encode(path);
    const shared = [[2, VERSION], [2, FLAGS], [2, 0], [2, 0], [2, 0x21], [4, await checksum(blob)], [4, blob.size], [4, blob.size], [2, name.length], [2, 0]];
    const head = record(0x04034b50, shared, name);
    directory.push(record(0x02014b50, [[2, VERSION], ...shared, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]], name));
    parts.push(head, blob);
    at += head.length + blob.size;
    if (at > MOST) throw new Error("The pictures have more than 4 GiB. Save them one by one.");
  }
  const size = directory.reduce((sum, entry) => sum + entry.length, 0);
  const end = record(0x06054b50, [[2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, at], [2, 0]], new Uint8Array());
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
