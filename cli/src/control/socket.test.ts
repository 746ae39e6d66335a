// SPDX-License-Identifier: Apache-2.0
// The control socket as a file and as a server: rights, those who left it behind, peers that mean harm.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { ask } from './ask.ts'
import { failed, type Obey } from './reply.ts'
import { openControlSocket } from './socket.ts'

const echo: Obey = async line => ({ answer: { line } })

async function opened(t: TestContext, obey: Obey = echo): Promise<string> {
  const path = join(await scratch(t), 'control')
  const control = await openControlSocket(path)
  control.obey = obey
  t.after(() => control.close())
  return path
}

async function peer(t: TestContext, path: string): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  socket.on('end', () => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Not by `once`, which rejects where it was cut off. */
const closed = (socket: Socket): Promise<void> =>
  new Promise(resolve => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })

/** All that comes until the other side ends it. */
async function heardBy(socket: Socket): Promise<string[]> {
  let text = ''
  socket.setEncoding('utf8').on('data', more => {
    text += more
  })
  await closed(socket)
  return text.split('\n').slice(0, -1)
}

const linesOf = (replies: readonly string[]): unknown[] =>
  replies.map(reply => (JSON.parse(reply) as { answer?: { line: unknown } }).answer?.line ?? reply)

test('the socket is for its owner alone, and gone at the end', async t => {
  const path = join(await scratch(t), 'control')
  const before = process.umask()
  const control = await openControlSocket(path)
  assert.equal(process.umask(), before)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.ok('error' in (await ask(path, 'early')), 'nothing is served yet')
  control.obey = echo
  assert.deepEqual(await ask(path, 'now'), { answer: { line: 'now' } })
  control.close()
  assert.equal(existsSync(path), false)
  await assert.rejects(ask(path, 'late'), { code: 'TRANSPORT_CONNECT' })
})

test('one that a dead process has left is replaced, one that is listened at is not', async t => {
  const path = join(await scratch(t), 'control')
  const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', program])
  assert.ok(statSync(path).isSocket())
  await assert.rejects(ask(path, 'x'), { code: 'TRANSPORT_CONNECT' })
  const first = await openControlSocket(path)
  t.after(() => first.close())
  first.obey = echo
  await assert.rejects(openControlSocket(path), { code: 'SOCKET_IN_USE', message: /listens at/ })
  assert.deepEqual(await ask(path, 'still'), { answer: { line: 'still' } })
})

test('nothing else is taken for it', async t => {
  const folder = await scratch(t)
  const file = join(folder, 'disk.img')
  writeFileSync(file, 'data')
  symlinkSync(file, join(folder, 'link'))
  for (const [path, code] of [
    [file, 'SOCKET_PLACE'],
    [join(folder, 'link'), 'SOCKET_PLACE'],
    [folder, 'SOCKET_PLACE'],
    [join(folder, 'none', 'control'), 'SOCKET_PLACE'],
    [join(folder, 'x'.repeat(100)), 'SOCKET_PATH'],
  ] as const)
    await assert.rejects(openControlSocket(path), { code }, path)
  assert.ok(existsSync(file))
})

test('lines that come at once are answered in their order, and after the sender has closed its half', async t => {
  const path = await opened(t, async line => {
    await new Promise(resolve => setTimeout(resolve, line === 'slow' ? 30 : 0))
    return echo(line)
  })
  const socket = await peer(t, path)
  socket.end('slow\n# a comment\n\nquick\nfail # so\nresize 1')
  const replies = await heardBy(socket)
  assert.deepEqual(linesOf(replies.slice(0, 3)), ['slow', 'quick', 'fail'])
  assert.match(replies[3]!, /CONTROL_LINE.*no end/)
  assert.equal(replies.length, 4)
})

test('an error is told with its exit code', async t => {
  const path = await opened(t, async () => failed(Object.assign(new Error('no'), { code: 'LUN_MISSING' })))
  assert.deepEqual(await ask(path, 'x'), { error: { code: 'LUN_MISSING', message: 'no', hint: '' }, exit: 3 })
})

test('a line without an end costs no memory, is told, and ends the connection', async t => {
  const path = await opened(t)
  const socket = await peer(t, path)
  const piece = Buffer.alloc(65_536, 'x')
  const more = (): void => {
    if (!socket.destroyed) socket.write(piece, error => error == null && more())
  }
  more()
  const replies = await heardBy(socket)
  assert.equal(replies.length, 1)
  assert.match(replies[0]!, /CONTROL_LINE/)
  assert.deepEqual(await ask(path, 'others'), { answer: { line: 'others' } })
})

test('who does not read answers is not read from, and others are answered meanwhile', async t => {
  let obeyed = 0
  const path = await opened(t, async () => {
    obeyed++
    return { answer: { text: 'y'.repeat(1000) } }
  })
  const socket = await peer(t, path)
  socket.pause()
  const LINES = 10_000
  socket.write(`more${' '.repeat(20)}\n`.repeat(LINES))
  // It comes to rest: what was obeyed is what the system keeps of the answers.
  let before = -1
  while (before !== obeyed) {
    before = obeyed
    for (let i = 0; i < 5; i++) assert.ok('answer' in (await ask(path, 'mine')))
    obeyed -= 5
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  assert.ok(obeyed < LINES / 10, `${obeyed} were obeyed`)
  // And goes on where they are read.
  let bytes = 0
  socket.on('data', data => {
    bytes += data.length
  })
  socket.resume().end()
  await closed(socket)
  assert.equal(obeyed, LINES)
  assert.equal(bytes, LINES * ('{"answer":{"text":""}}\n'.length + 1000))
})

test('there are so many connections at a time, and one more is told so', async t => {
  const path = await opened(t)
  const peers: Socket[] = []
  while (peers.length < 32) peers.push(await peer(t, path))
  // All of them are there when the last one is answered.
  peers.at(-1)!.write('x\n')
  await once(peers.at(-1)!, 'data')
  const reply = await ask(path, 'x')
  assert.match(JSON.stringify(reply), /CONTROL_FULL.*"exit":4/)
  peers[0]!.destroy()
  const isFull = async (): Promise<boolean> => 'error' in (await ask(path, 'x'))
  while (await isFull()) await new Promise(resolve => setTimeout(resolve, 5))
})

test('who goes away amid a command harms nobody, and it is done', async t => {
  let done = (): void => {}
  const over = new Promise<void>(resolve => {
    done = resolve
  })
  let go = (): void => {}
  const path = await opened(t, async line => {
    if (line !== 'long') return echo(line)
    await new Promise<void>(resolve => {
      go = resolve
    })
    done()
    return echo(line)
  })
  const socket = await peer(t, path)
  socket.write('long\nnext\n')
  await ask(path, 'x')
  socket.destroy()
  await closed(socket)
  go()
  await over
  assert.deepEqual(await ask(path, 'y'), { answer: { line: 'y' } })
})

test('what is no control socket, or ends, is told by the one who asks', async t => {
  const path = join(await scratch(t), 'other')
  let words = 'SSH-2.0\n'
  const server = createServer(socket => void socket.end(words)).listen(path)
  t.after(() => void server.close())
  await once(server, 'listening')
  await assert.rejects(ask(path, 'x'), { code: 'TRANSPORT_PROTOCOL' })
  words = '{"answer":'
  await assert.rejects(ask(path, 'x'), { code: 'TRANSPORT_CLOSED' })
})
