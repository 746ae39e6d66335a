// SPDX-License-Identifier: Apache-2.0
// The command line as a user and a script meet it: ready, exit codes, errors that name the way out, both roles.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { connect as connectTcp, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect } from '@lunkit/initiator-driver-iscsi'
import { type ServedTarget, serve, workFolder } from '../kit/serve-process.ts'

const MAIN = join(dirname(fileURLToPath(import.meta.url)), '../../cli/src/main.ts')
const MIB = 1 << 20
const folder = workFolder()
const at = (name: string): string => join(folder.path, name)
let target: ServedTarget
before(async () => {
  target = await serve([at('disk.img,size=8M'), 'memory:4M,block=4096'])
})
after(async () => {
  await target.stop()
  folder.dispose()
})

interface Outcome {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

function lunkit(words: readonly string[], input?: Buffer, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { ...process.env, ...env },
    timeout: 30_000,
  })
  const chunks: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', chunk => chunks.push(chunk))
  child.stderr.on('data', data => void (stderr += data))
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise(resolve =>
    child.on('close', code => resolve({ code, stdout: Buffer.concat(chunks), stderr })),
  )
}

const url = (lun: number): string => target.ready.luns[lun]!.url

test('the first line says all that a script needs, and a login succeeds at once', async () => {
  const { portals, luns } = target.ready
  assert.equal(target.ready.event, 'ready')
  assert.match(portals[0]!, /^127\.0\.0\.1:\d+$/)
  assert.deepEqual(
    luns.map(({ lun, bytes, kind, store }) => ({ lun, bytes, kind, store })),
    [
      { lun: 0, bytes: 8 * MIB, kind: 'disk', store: 'file' },
      { lun: 1, bytes: 4 * MIB, kind: 'disk', store: 'memory' },
    ],
  )
  assert.match(luns[1]!.url, /^iscsi:\/\/127\.0\.0\.1:\d+\/iqn\.[^/]+\/1$/)
  await using disk = await connect(luns[0]!.url)
  assert.equal((await disk.capacity()).bytes, 8 * MIB)
})

test('write, read and copy move bytes, whole blocks or not', async () => {
  const bytes = randomBytes(3 * MIB + 123)
  writeFileSync(at('in.bin'), bytes)
  for (const lun of [0, 1]) {
    const wrote = await lunkit(['write', url(lun), at('in.bin'), '--offset', '777', '--json'])
    assert.equal(wrote.code, 0, wrote.stderr)
    assert.equal(JSON.parse(wrote.stdout.toString()).bytes, bytes.length)
    const read = await lunkit(['read', url(lun), '--offset', '777', '--length', String(bytes.length)])
    assert.equal(read.code, 0, read.stderr)
    assert.ok(read.stdout.equals(bytes))
  }
  const piped = await lunkit(['write', url(1), '-'], bytes.subarray(0, 70_001))
  assert.equal(piped.code, 0, piped.stderr)
  const copied = await lunkit(['copy', url(1), at('out.img')])
  assert.equal(copied.code, 0, copied.stderr)
  const image = readFileSync(at('out.img'))
  assert.equal(image.length, 4 * MIB)
  assert.ok(image.subarray(0, 70_001).equals(bytes.subarray(0, 70_001)))
  const across = await lunkit(['copy', url(1), url(0)])
  assert.equal(across.code, 0, across.stderr)
  assert.ok(
    readFileSync(at('disk.img'))
      .subarray(0, 4 * MIB)
      .equals(image),
  )
})

test('files have 16 threads', {
  skip: process.platform === 'linux' ? false : 'names of threads are read from /proc',
}, async () => {
  const tasks = `/proc/${target.pid}/task`
  const names = readdirSync(tasks).map(task => readFileSync(`${tasks}/${task}/comm`, 'utf8').trim())
  const { UV_THREADPOOL_SIZE = '16' } = process.env
  assert.equal(names.filter(name => name === 'libuv-worker').length, Number(UV_THREADPOOL_SIZE))
})

test('info tells of an empty drive what there is to tell', async () => {
  const drive = await serve(['cdrom:'])
  try {
    const info = await lunkit(['info', drive.ready.luns[0]!.url, '--json'])
    assert.equal(info.code, 0, info.stderr)
    const { type, product, bytes, blockSize, readOnly, pages } = JSON.parse(info.stdout.toString())
    assert.deepEqual(
      [type, product, bytes, blockSize, readOnly],
      ['cdrom', 'VIRTUAL-CDROM', null, null, null],
    )
    assert.ok(pages.length >= 4)
    assert.match((await lunkit(['info', drive.ready.luns[0]!.url])).stdout.toString(), /^size +-$/m)
  } finally {
    await drive.stop()
  }
})

test('copy leaves holes for zeros', async () => {
  await using other = {
    async [Symbol.asyncDispose]() {
      await sparse.stop()
    },
  }
  const sparse = await serve(['memory:64M'])
  assert.ok(other)
  const copied = await lunkit(['copy', sparse.ready.luns[0]!.url, at('holes.img')])
  assert.equal(copied.code, 0, copied.stderr)
  const { size, blocks } = statSync(at('holes.img'))
  assert.equal(size, 64 * MIB)
  assert.ok(blocks * 512 < MIB)
})

test('ls, info and ping say what is there', async () => {
  const portal = `iscsi://${target.ready.portals[0]}`
  const ls = await lunkit(['ls', portal, '--json'])
  assert.equal(ls.code, 0, ls.stderr)
  const [listed] = JSON.parse(ls.stdout.toString())
  assert.deepEqual(
    listed.luns.map((lun: { bytes: number }) => lun.bytes),
    [8 * MIB, 4 * MIB],
  )
  assert.deepEqual(
    listed.luns.map((lun: { url: string }) => lun.url),
    [url(0), url(1)],
  )
  assert.match((await lunkit(['ls', portal])).stdout.toString(), /8 MiB[\s\S]*4 MiB/)
  const info = await lunkit(['info', url(1), '--json'])
  const facts = JSON.parse(info.stdout.toString())
  assert.equal(facts.blockSize, 4096)
  assert.equal(facts.vendor, 'LUNKIT')
  assert.ok(facts.pages.length >= 7)
  assert.deepEqual([facts.naa, facts.readOnly, facts.protection], [target.ready.luns[1]!.naa, false, 0])
  const ping = JSON.parse((await lunkit(['ping', url(0), '-c', '3', '-i', '0', '--json'])).stdout.toString())
  assert.equal(ping.count, 3)
  assert.ok(ping.unit.median > 0)
})

const FAILURES: readonly [what: string, words: () => string[], code: number, said: RegExp][] = [
  ['no number of connections', () => ['info', url(0), '--connections', 'two'], 2, /connections/],
  ['no recovery level', () => ['info', url(0), '--recovery-level', '3'], 2, /--recovery-level.*\n.*0 to 2/],
  ['no connections', () => ['info', url(0), '--connections', ''], 2, /--connections.*\n.*1 to 64/],
  ['a certificate without its key', () => ['info', url(0), '--tls-cert', at('a.pem')], 2, /--tls-key/],
  [
    'a certificate that is none',
    () => ['info', url(0), '--tls-cert', at('odd.img'), '--tls-key', at('odd.img')],
    2,
    /tls cannot be used[\s\S]*belong together/,
  ],
  ['a secret of nobody', () => ['info', url(0), '--chap-secret-file', at('odd.img')], 2, /add --chap-user/],
  [
    'a secret of no target',
    () => ['info', url(0), '--mutual-secret-file', at('odd.img')],
    2,
    /add --mutual-user/,
  ],
  [
    'mutual CHAP alone',
    () => ['info', url(0), '--mutual-user', 't', '--mutual-secret-file', at('odd.img')],
    2,
    /add --chap-user/,
  ],
  ['no limit', () => ['serve', 'memory:1M', '--limit', 'colour=1'], 2, /'--limit colour=1' is no limit/],
  [
    'a limit without a number',
    () => ['serve', 'memory:1M', '--limit', 'sessions=x'],
    2,
    /'x' is no value.*\n.*1024/,
  ],
  ['no pings', () => ['ping', url(0), '--count', '0'], 2, /--count.*\n.*1 or more/],
  ['no tag=state', () => ['serve', 'memory:1M', '--port-group', '1'], 2, /'--port-group 1' is no tag=state/],
  [
    'a state of no portal',
    () => ['serve', 'memory:1M', '--port-group', '2=standby'],
    2,
    /No portal has the tag of '--port-group 2=standby'/,
  ],
  // The portal that there is when none is given has tag 1.
  [
    'no state',
    () => ['serve', 'memory:1M', '--port-group', '1=asleep'],
    2,
    /'asleep' is no asymmetric access state/,
  ],
  [
    'an authority that is no file',
    () => ['info', url(0), '--tls-ca', at('a.pem')],
    3,
    /a\.pem[\s\S]*--tls-ca/,
  ],
  ['TLS where there is none', () => ['info', url(0), '--tls', '--timeout', '5'], 4, /TLS/],
  ['a missing file', () => ['serve', at('none.img')], 3, /none\.img[\s\S]*size=/],
  ['tags of no protection', () => ['serve', at('none.img,size=1M,tags=x')], 2, /'tags=x'[\s\S]*protection=1/],
  [
    'a state folder that is a file',
    () => ['serve', 'memory:1M', '--state', process.execPath],
    3,
    /no folder[\s\S]*--no-state/,
  ],
  ['a missing folder', () => ['serve', at('no/none.img,size=1M')], 3, /none\.img/],
  ['a folder', () => ['serve', folder.path], 3, /folder|directory/],
  ['a file that another lunkit serves', () => ['serve', at('disk.img')], 3, /disk\.img[\s\S]*(lunkit|use)/],
  [
    'a port in use',
    () => ['serve', 'memory:1M', '--portal', target.ready.portals[0]!],
    3,
    /127\.0\.0\.1:\d+[\s\S]*use/,
  ],
  ['a size that is no multiple of the block', () => ['serve', at('odd.img')], 3, /1000|multiple/],
  ['an unknown key', () => ['serve', 'memory:1M,colour=red'], 2, /colour[\s\S]*block/],
  [
    'an unknown key behind a new file',
    () => ['serve', at('new.img,size=1M'), 'memory:1M,colour=red'],
    2,
    /colour[\s\S]*block/,
  ],
  ['a wrong value', () => ['serve', 'memory:lots'], 2, /lots[\s\S]*512M/],
  ['an unknown kind', () => ['serve', 'floppy:a'], 2, /floppy[\s\S]*memory/],
  ['a mistyped key', () => ['serve', 'memory:1M,raedonly=yes'], 2, /did you mean 'readonly'/],
  ['help on nothing', () => ['help', 'floppy'], 2, /no help on 'floppy'[\s\S]*serve[\s\S]*qcow2/],
  ['no handler', () => ['serve', `handler:${at('none.sock')},wait=0`], 4, /none\.sock/],
  ['no NBD server', () => ['serve', 'nbd://127.0.0.1:1/,wait=0'], 4, /127\.0\.0\.1:1/],
  [
    'no key file',
    () => ['serve', `encrypt:memory:1M,keyfile=${at('none.key')}`],
    3,
    /none\.key[\s\S]*no such file/,
  ],
  ['a public portal', () => ['serve', 'memory:1M', '--portal', '0.0.0.0:0'], 2, /0\.0\.0\.0[\s\S]*--open/],
  ['a bad portal', () => ['serve', 'memory:1M', '--portal', '1.2.3.4:99999'], 2, /99999/],
  ['CHAP without a secret', () => ['serve', 'memory:1M', '--chap-user', 'u'], 2, /--chap-secret-file/],
  ['a name that is none', () => ['serve', 'memory:1M', '--name', 'foo'], 2, /'foo'[\s\S]*iqn\./],
  ['one serial twice', () => ['serve', 'memory:1M,serial=A', 'null:1M,serial=A'], 2, /serial/],
  ['a new file of no whole blocks', () => ['serve', at('new.img,size=100')], 2, /100[\s\S]*512/],
  ['no file at all', () => ['serve', ',size=1M'], 2, /disk\.img/],
  ['a port alone', () => ['serve', 'memory:1M', '--portal', '4710'], 2, /:3260/],
  ['a folder as file', () => ['read', url(0), '-o', folder.path], 3, /folder/],
  ['the same on both sides', () => ['copy', url(0), url(0)], 2, /same/],
  ['an unknown option', () => ['serve', '--frobnicate'], 2, /frobnicate/],
  ['an unknown command', () => ['sing'], 2, /sing/],
  ['nobody there', () => ['info', 'iscsi://127.0.0.1:1/iqn.2000-01.a:b/0'], 4, /127\.0\.0\.1/],
  [
    'no such target',
    () => ['info', `iscsi://${target.ready.portals[0]}/iqn.2000-01.a:b/0`],
    5,
    /iqn\.2000-01\.a:b/,
  ],
  ['no such LUN', () => ['info', url(0).replace(/0$/, '9')], 3, /LUN 9/],
  ['a URL that is none', () => ['info', 'http://x'], 2, /iscsi:\/\//],
  ['too much for the LUN', () => ['write', url(1), at('disk.img')], 2, /fit/],
]

for (const [what, words, code, said] of FAILURES) {
  test(`${what}: exit code ${code}, in words`, async () => {
    writeFileSync(at('odd.img'), '')
    truncateSync(at('odd.img'), 1000)
    const outcome = await lunkit(words())
    assert.equal(outcome.code, code, outcome.stderr)
    assert.match(outcome.stderr, said)
    assert.doesNotMatch(outcome.stderr, /^ {4}at /m)
  })
}

test('what was refused leaves no file behind, and a secret in a URL is not repeated', async () => {
  assert.equal(existsSync(at('new.img')), false)
  const { code, stderr } = await lunkit(['info', 'iscsi://alice:hidden-word@127.0.0.1:1/iqn.2000-01.a:b/0'])
  assert.equal(code, 2, stderr)
  assert.ok(!stderr.includes('hidden-word'))
})

test('a target goes on serving when nobody reads its output any more', async () => {
  const child = spawn(process.execPath, [MAIN, 'serve', 'memory:1M', '--portal', '127.0.0.1:0', '--json'])
  const line = await new Promise<string>(resolve => child.stdout.once('data', data => resolve(String(data))))
  child.stdout.destroy()
  child.stderr.destroy()
  const ready = JSON.parse(line.split('\n')[0]!) as { luns: { url: string }[] }
  for (let i = 0; i < 3; i++) {
    const disk = await connect(ready.luns[0]!.url)
    await disk.close()
  }
  assert.equal(child.exitCode, null)
  const ended = new Promise(resolve => child.on('close', resolve))
  child.kill('SIGTERM')
  assert.equal(await ended, 0)
})

test('what has no length takes a read, too', async () => {
  const { code, stderr } = await lunkit(['read', url(0), '--length', '64K', '-o', '/dev/null'])
  assert.equal(code, 0, stderr)
})

test('a file keeps what was in it until there are bytes in its place', async () => {
  writeFileSync(
    at('broken.mjs'),
    'export default { size: 1 << 20, read: () => Promise.reject(new Error("broken")) }',
  )
  const broken = await serve([`object:${at('broken.mjs')}`, 'memory:1M'])
  const [unreadable, zeros] = broken.ready.luns.map(lun => lun.url)
  try {
    writeFileSync(at('kept'), Buffer.alloc(2 * MIB, 7))
    const failed = await lunkit(['copy', unreadable!, at('kept')])
    assert.equal(failed.code, 1, failed.stderr)
    assert.ok(readFileSync(at('kept')).equals(Buffer.alloc(2 * MIB, 7)))
    const copied = await lunkit(['copy', zeros!, at('kept')])
    assert.equal(copied.code, 0, copied.stderr)
    assert.ok(readFileSync(at('kept')).equals(Buffer.alloc(MIB)))
  } finally {
    await broken.stop()
  }
})

test('a reader that stops early ends lunkit read without a stack trace', async () => {
  const child = spawn(process.execPath, [MAIN, 'read', url(0)])
  let stderr = ''
  child.stderr.on('data', data => void (stderr += data))
  child.stdout.once('data', () => child.stdout.destroy())
  assert.equal(await new Promise(resolve => child.on('close', resolve)), 1)
  assert.doesNotMatch(stderr, /^ {4}at /m)
})

test('errors are JSON with --json', async () => {
  const { stderr, code } = await lunkit(['serve', at('none.img'), '--json'])
  const told = JSON.parse(stderr)
  assert.equal(code, 3)
  assert.equal(told.event, 'error')
  assert.match(told.code, /FILE/)
})

test('a secret is neither an argument nor in any output', async () => {
  const guarded = await serve(['memory:1M', '--chap-user', 'alice'], {
    LUNKIT_CHAP_SECRET: 'a very secret word',
  })
  const lun = guarded.ready.luns[0]!.url
  try {
    const wrong = await lunkit(['info', lun, '--chap-user', 'alice'], undefined, {
      LUNKIT_CHAP_SECRET: 'some other words',
    })
    assert.equal(wrong.code, 5, wrong.stderr)
    const unlisted = await lunkit(['ls', `iscsi://${guarded.ready.portals[0]}`])
    assert.equal(unlisted.code, 5, unlisted.stderr)
    assert.match(unlisted.stdout.toString(), /Authentication failure\n {4}check CHAP/)
    writeFileSync(at('secret'), 'a very secret word\n')
    chmodSync(at('secret'), 0o600)
    const right = await lunkit(['info', lun, '--chap-user', 'alice', '--chap-secret-file', at('secret')])
    assert.equal(right.stderr, '')
    chmodSync(at('secret'), 0o644)
    const shown = await lunkit(['info', lun, '--chap-user', 'alice', '--chap-secret-file', at('secret')])
    assert.deepEqual([shown.code, shown.stdout], [0, right.stdout])
    assert.match(shown.stderr, /can be read or written by others/)
    assert.equal(right.code, 0, right.stderr)
    const commandLine = readFileSync(`/proc/${guarded.pid}/cmdline`, 'utf8')
    assert.ok(!(commandLine + JSON.stringify(guarded.events) + guarded.stderr()).includes('very secret'))
    assert.ok(guarded.events.some(({ event }) => event === 'login-failed'))
  } finally {
    await guarded.stop()
  }
})

test('SIGTERM drains and ends with 0, also with a client that is stuck', async () => {
  const stubborn = await serve(['memory:1M'])
  const port = Number(stubborn.ready.portals[0]!.split(':')[1])
  // One that never speaks, and one that is logged in and never answers.
  const silent = connectTcp(port, '127.0.0.1')
  silent.on('error', () => undefined)
  await new Promise(resolve => silent.once('connect', resolve))
  const disk = await connect(stubborn.ready.luns[0]!.url, { reconnect: { attempts: 0, delays: [] } })
  assert.equal(await stubborn.stop('SIGTERM'), 0, stubborn.stderr())
  await disk.close().catch(() => undefined)
  silent.destroy()
})

test('SIGTERM ends it also while a store hangs, and says so', async () => {
  writeFileSync(at('hangs.mjs'), 'export default { size: 1 << 20, read: () => new Promise(() => {}) }')
  const stuck = await serve([`object:${at('hangs.mjs')}`])
  const disk = await connect(stuck.ready.luns[0]!.url, { reconnect: { attempts: 0, delays: [] } })
  const reading = disk.read(0, 1).catch(error => error)
  await new Promise(resolve => setTimeout(resolve, 200))
  const code = await stuck.stop('SIGTERM')
  assert.ok(code === 0 || code === 1, stuck.stderr())
  assert.ok((await reading) instanceof Error)
  await disk.close().catch(() => undefined)
})

test('help teaches', async () => {
  const help = await lunkit(['--help'])
  assert.equal(help.code, 0)
  for (const word of ['serve', 'ls', 'info', 'read', 'write', 'copy', 'ping', 'Exit codes']) {
    assert.ok(help.stdout.includes(word), word)
  }
  const serveHelp = (await lunkit(['help', 'serve'])).stdout.toString()
  for (const word of ['size=10G', 'memory:', '--chap-user', 'LUNKIT_CHAP_SECRET', '--json']) {
    assert.ok(serveHelp.includes(word), word)
  }
})

test('a LUN without a size ends read and write, and its session', async () => {
  const empty = await serve(['cdrom:'])
  try {
    const { url } = empty.ready.luns[0]!
    for (const words of [
      ['read', url, '-o', at('none')],
      ['write', url, at('disk.img')],
    ]) {
      const { code, stderr } = await lunkit(words)
      // No code: it had to be ended.
      assert.equal(typeof code, 'number', words[0])
      assert.notEqual(code, 0)
      assert.match(stderr, /medium not present/i)
    }
  } finally {
    await empty.stop()
  }
})

test('help names every key that a LUN takes', async () => {
  const disk = (await lunkit(['help', 'disk'])).stdout.toString()
  for (const lun of [at('keys.img,nokey=1'), 'memory:1M,nokey=1']) {
    const { stderr } = await lunkit(['serve', lun])
    const kind = /'lunkit help (\w+)' tells more/.exec(stderr)![1]!
    const help = disk + (await lunkit(['help', kind])).stdout.toString()
    const keys = /its keys are ([^(]+) \(NAME\.key/
      .exec(stderr)![1]!
      .split(', ')
      .filter(key => key !== 'path')
    assert.ok(keys.length > 15, stderr)
    assert.deepEqual(
      keys.filter(key => !new RegExp(`^ {2}${key}[= ]`, 'm').test(help)),
      [],
    )
  }
})

test('a port that somebody else uses is named', async () => {
  const other = createServer()
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  const { code, stderr } = await lunkit(['serve', 'memory:1M', '--portal', `127.0.0.1:${port}`])
  other.close()
  assert.equal(code, 3, stderr)
  assert.match(stderr, new RegExp(String(port)))
})

test('a handler may come after lunkit, which says that it waits, and then what each LUN is', async () => {
  const child = spawn(process.execPath, [
    MAIN,
    'serve',
    `readonly:handler:${at('late.sock')},wait=600`,
    'cdrom:',
    'throttle:cache:memory:1M,iops=1000',
    ...['--portal', '127.0.0.1:0', '--no-state'],
  ])
  const hello = Buffer.from(JSON.stringify({ version: 1, size: MIB }))
  const frame = Buffer.alloc(16)
  frame.writeUInt32BE(hello.length)
  frame[4] = 1
  const handler = createServer(socket => {
    socket.on('error', () => undefined).resume()
    socket.write(Buffer.concat([frame, hello]))
  })
  try {
    const stderr = await new Promise<string>(resolve =>
      child.stderr.once('data', data => resolve(String(data))),
    )
    assert.match(stderr, /late\.sock[^\n]*waiting for it, up to 600 s\n/)
    handler.listen(at('late.sock'))
    let stdout = ''
    for await (const data of child.stdout) {
      stdout += data
      if (stdout.includes('Ready')) break
    }
    assert.match(stdout, /^LUN 0 +1 MiB {2}readonly:handler {7}iscsi:.*\nLUN 1 +- {2}cdrom {18}iscsi:/)
    assert.match(stdout, /\nLUN 2 +1 MiB {2}throttle:cache:memory {2}iscsi:/)
  } finally {
    const ended = new Promise(resolve => child.once('close', resolve))
    child.kill('SIGTERM')
    await ended
    handler.close()
  }
})

test('the recipe for a module as storage', async () => {
  const module = join(dirname(MAIN), '../../docs/examples/numbered.mjs')
  const served = await serve([`object:${module}`])
  try {
    const lun = served.ready.luns[0]!.url
    const { stdout, stderr } = await lunkit(['read', lun, '--offset', '3584', '--length', '512'])
    assert.match(stdout.toString(), /^block 7\n\0/, stderr)
  } finally {
    await served.stop()
  }
})
