#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A handler for lunkit in Python 3: an image file as blocks (lunkit serve handler:SOCKET) or as a SCSI disk that answers
every command itself (lunkit serve user:SOCKET). docs/how-to/write-a-handler.md explains the messages.

    python3 handler.py SOCKET IMAGE [SIZE]
"""
import fcntl, json, mmap, os, socket, struct, sys, threading
from concurrent.futures import ThreadPoolExecutor

HEADER = struct.Struct('>IBBHI4x')      # of lunkit: length, kind, flags, session, tag
ANSWER = struct.Struct('>IBBBBII')      # of ours: length, kind, flags, status, sense length, tag, count
RANGE = struct.Struct('>QQQ')           # offset, length, place
EXECUTE = struct.Struct('>32sBBxxIIII4xQQ')  # cdb, its length, attribute, ms, in, out, blocks, lba, place
HELLO, READ, WRITE, FLUSH, DISCARD, ZERO = 1, 2, 3, 4, 5, 6
EXECUTE_KIND, ATTACH, DETACH, RESET, ABORT = 0x10, 0x11, 0x12, 0x13, 0x14
ANSWER_KIND, CAPACITY = 0x80, 0x81
SHARED, DURABLE = 1, 2
MEDIUM_ERROR, NO_SPACE = 1, 2
BLOCK = 512
MOST = 1 << 20  # bytes of one command


class Image:
    """What is served: one file. Its writes are in the system's cache, which a new handler finds as this one left it."""

    def __init__(self, path, size):
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        # An earlier handler that only sleeps could wake and write what lunkit has sent to this one again.
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f'{path} is served by another handler')
        if size:
            os.ftruncate(self.fd, max(size, os.fstat(self.fd).st_size))
        self.size = os.fstat(self.fd).st_size
        self.identity = os.path.realpath(path)
        self.user = threading.Lock()  # the connection that has it

    def write(self, data, offset, durable):
        while data:
            done = os.pwrite(self.fd, data, offset)
            data, offset = data[done:], offset + done
        if durable:
            os.fdatasync(self.fd)

    def read(self, length, offset):
        data = os.pread(self.fd, length, offset)
        if len(data) < length:
            raise OSError('the image is shorter than it was')
        return data


class Connection:
    def __init__(self, sock, image):
        self.sock, self.image, self.memory = sock, image, None
        self.sending = threading.Lock()

    def receive(self, length):
        data = bytearray(length)
        view, at = memoryview(data), 0
        while at < length:
            got = self.sock.recv_into(view[at:])
            if got == 0:
                raise EOFError
            at += got
        return data

    def send(self, kind, tag=0, body=b'', flags=0, status=0, sense=b'', count=0):
        length = len(sense) + len(body)
        head = ANSWER.pack(length, kind, flags, status, len(sense), tag, count)
        with self.sending:
            self.sock.sendall(b''.join((head, sense, body)))

    def answer(self, tag, flags, place, status=0, sense=b'', data=b''):
        """Data go back the way the request asks for."""
        if data and flags & SHARED:
            self.memory[place:place + len(data)] = data
            self.send(ANSWER_KIND, tag, b'', SHARED, status, sense, len(data))
        else:
            self.send(ANSWER_KIND, tag, data, 0, status, sense, len(data))

    def serve(self):
        # Requests of an earlier connection are over when its thread has let go: only then may this one begin.
        if not self.image.user.acquire(timeout=4):
            return self.send(HELLO, body=json.dumps({'error': 'it has another connection'}).encode())
        workers = ThreadPoolExecutor(8)
        try:
            while True:
                length, kind, flags, _session, tag = HEADER.unpack(self.receive(HEADER.size))
                body = self.receive(length)
                if kind == HELLO:
                    self.hello(json.loads(body))
                elif kind == EXECUTE_KIND:
                    workers.submit(self.guard, self.execute, tag, flags, body)
                elif READ <= kind <= ZERO:
                    workers.submit(self.guard, self.blocks, kind, tag, flags, body)
                # ATTACH, DETACH and RESET are news only; an aborted request is answered as soon as any other.
        except (EOFError, OSError):
            pass
        finally:
            workers.shutdown(wait=True)
            self.image.user.release()
            self.sock.close()

    def guard(self, work, *words):
        try:
            work(*words)
        except OSError:
            pass  # lunkit is gone, and its requests with it

    def hello(self, wanted):
        shared = wanted.get('shared')
        try:
            if shared:
                fd = os.open(shared['path'], os.O_RDWR | os.O_NOFOLLOW)
                self.memory = mmap.mmap(fd, shared['bytes'])
                os.close(fd)
        except OSError:
            shared = None  # then data come behind the messages
        mine = {'version': min(2, wanted['version']), 'identity': self.image.identity, 'depth': 64, 'shared': bool(shared)}
        if wanted['level'] == 'blocks':
            mine |= {'size': self.image.size, 'block': 4096, 'cache': True, 'keeps': True}
        else:
            mine |= {'type': 0, 'block': BLOCK, 'blocks': self.image.size // BLOCK, 'maxTransfer': MOST}
        self.send(HELLO, body=json.dumps(mine).encode())

    def data(self, flags, place, length, behind):
        return self.memory[place:place + length] if flags & SHARED else behind

    def blocks(self, kind, tag, flags, body):
        offset, length, place = RANGE.unpack_from(body)
        data, status = b'', 0
        try:
            if kind == READ:
                data = self.image.read(length, offset)
            elif kind == WRITE:
                self.image.write(self.data(flags, place, length, memoryview(body)[RANGE.size:]), offset, flags & DURABLE)
            elif kind == FLUSH:
                os.fdatasync(self.image.fd)
            else:
                status = MEDIUM_ERROR  # its hello offers neither DISCARD nor ZERO
        except OSError as error:
            data, status = b'', NO_SPACE if error.errno == 28 else MEDIUM_ERROR
        self.answer(tag, flags, place, status, b'', data)

    def execute(self, tag, flags, body):
        cdb, _length, _attribute, _ms, _in, out, blocks, lba, place = EXECUTE.unpack_from(body)
        data, sense = b'', b''
        try:
            data = self.command(cdb, blocks, lba, self.data(flags, place, out, memoryview(body)[EXECUTE.size:]))
        except OSError:
            sense = sense_data(0x3, 0x11, 0x00)  # UNRECOVERED READ ERROR
        except NotImplementedError:
            sense = sense_data(0x5, 0x20, 0x00)  # INVALID COMMAND OPERATION CODE
        except ValueError:
            sense = sense_data(0x5, 0x24, 0x00)  # INVALID FIELD IN CDB
        self.answer(tag, flags, place, 2 if sense else 0, sense, data[:_in])

    def command(self, cdb, blocks, lba, data):
        """Data-in of one command. lunkit has checked its blocks, and answers REPORT LUNS and reservations itself."""
        image, code = self.image, cdb[0]
        last = image.size // BLOCK - 1
        if code in (0x00, 0x1b):  # TEST UNIT READY, START STOP UNIT
            return b''
        if code == 0x03:  # REQUEST SENSE
            return sense_data(0, 0, 0)[:cdb[4]]
        if code == 0x12:  # INQUIRY
            if cdb[1] & 1:
                # Supported pages, serial number, block limits: without them initiators send more than lunkit lets through.
                pages = {0x00: b'\x00\x80\xb0', 0x80: b'HANDLER1', 0xb0: struct.pack('>4xI52x', MOST // BLOCK)}
                if cdb[2] not in pages:
                    raise ValueError
                return (bytes((0, cdb[2])) + struct.pack('>H', len(pages[cdb[2]])) + pages[cdb[2]])[:cdb[3] << 8 | cdb[4]]
            return (bytes((0, 0, 6, 2, 31, 0, 0, 2)) + b'LUNKIT  PYTHON HANDLER  1   ')[:cdb[3] << 8 | cdb[4]]
        if code == 0x1a:  # MODE SENSE (6)
            return bytes((3, 0, 0x10, 0))[:cdb[4]]  # DPO and FUA are heeded
        if code == 0x25:  # READ CAPACITY (10)
            return struct.pack('>II', min(last, 0xffffffff), BLOCK)
        if code == 0x9e and cdb[1] & 31 == 0x10:  # READ CAPACITY (16)
            return struct.pack('>QI20x', last, BLOCK)[:int.from_bytes(cdb[10:14], 'big')]
        if code in (0x28, 0x2a, 0x88, 0x8a) and cdb[1] & 0xe0:  # protection information
            raise ValueError
        if code in (0x08, 0x28, 0x88):  # READ
            return image.read(blocks * BLOCK, lba * BLOCK)
        if code in (0x0a, 0x2a, 0x8a):  # WRITE
            if len(data) < blocks * BLOCK:
                raise ValueError
            image.write(data[:blocks * BLOCK], lba * BLOCK, code != 0x0a and cdb[1] & 8)
            return b''
        if code in (0x35, 0x91):  # SYNCHRONIZE CACHE
            os.fdatasync(image.fd)
            return b''
        raise NotImplementedError


def sense_data(key, asc, ascq):
    return bytes((0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0))


def main(path, image, size=0):
    image = Image(image, int(size))
    if os.path.exists(path):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    print('ready', flush=True)
    while True:
        sock, _ = server.accept()
        threading.Thread(target=Connection(sock, image).serve, daemon=True).start()


if __name__ == '__main__':
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
