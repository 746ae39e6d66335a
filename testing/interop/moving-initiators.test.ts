// SPDX-License-Identifier: Apache-2.0
// Initiators that are sent elsewhere, asked to leave and cut off: by the library and by `lunkit serve`.
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { connect } from 'lunkit/initiator'
import { createTarget, memory, type ObjectStorage, OperatorError, type TargetEvent } from 'lunkit/target'
import { serve } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const NAME = 'iqn.2026-11.test.lunkit:moving'
const ONCE = { reconnect: { attempts: 0, delays: [] } } as const

/** One storage that several targets serve. */
function shared(): ObjectStorage & { readonly bytes: Buffer } {
  const bytes = Buffer.alloc(1 << 20)
  return {
    bytes,
    size: bytes.length,
    read: async (offset, into) => void bytes.copy(into, 0, offset),
    write: async (offset, data) => void data.copy(bytes, offset),
  }
}

describe('library', () => {
  test('a disk moves to another target while it is used', async () => {
    const storage = shared()
    await using from = await createTarget({ luns: [storage], name: NAME })
    await using to = await createTarget({ luns: [storage], name: NAME })
    const seen: TargetEvent[] = []
    from.on('event', event => void seen.push(event))
    await using disk = await connect(from.url)
    await disk.write(0, Buffer.alloc(512, 1))
    from.initiators.redirect({ to: to.portals[0]! })
    const evicted = await from.initiators.evict({}, 5)
    assert.equal(evicted.sessions, 1)
    await disk.write(1, Buffer.alloc(512, 2))
    assert.deepEqual(await disk.read(0, 1), Buffer.alloc(512, 1))
    assert.equal(storage.bytes[512], 2)
    const moved = seen.find(event => event.type === 'login-redirected')
    assert.ok(moved?.type === 'login-redirected' && moved.to[0] === to.portals[0])
  })

  for (const host of ['[::1]', 'localhost']) {
    test(`a redirect to ${host} is followed`, async () => {
      await using to = await createTarget({
        luns: [memory('2M')],
        name: NAME,
        portal: host === '[::1]' ? '[::1]:0' : '127.0.0.1:0',
      })
      const port = to.portals[0]!.split(':').at(-1)!
      await using from = await createTarget({
        luns: [memory('1M')],
        name: NAME,
        redirect: { to: `${host}:${port}`, permanent: true },
      })
      await using disk = await connect(from.url, ONCE)
      assert.equal((await disk.capacity()).blocks, 4096)
    })
  }

  test('after a drain nobody is let in until it is readmitted', async () => {
    await using target = await createTarget({ luns: [memory('1M')] })
    assert.deepEqual(await target.drain(1), { sessions: 0, dropped: 0 })
    await assert.rejects(connect(target.url, ONCE), /[Ss]ervice unavailable/)
    target.readmit()
    await (await connect(target.url, ONCE)).close()
  })

  test('who logs in where is a decision', async () => {
    await using second = await createTarget({ luns: [memory('2M')], name: NAME })
    await using first = await createTarget({
      luns: [memory('1M')],
      name: NAME,
      redirect: async ({ initiator }) => (initiator.endsWith(':b') ? { to: second.portals[0]! } : undefined),
    })
    for (const [initiator, blocks] of [
      ['iqn.2026-11.test.lunkit:a', 2048],
      ['iqn.2026-11.test.lunkit:b', 4096],
    ] as const) {
      await using disk = await connect(first.url, { ...ONCE, initiatorName: initiator })
      assert.equal((await disk.capacity()).blocks, blocks)
    }
  })

  test('messages and rehearsals reach the sessions of one portal group', async () => {
    await using target = await createTarget({
      luns: [memory('1M')],
      portal: ['127.0.0.1:0,1', '127.0.0.1:0,2'],
    })
    await using disk = await connect(target.url)
    const { initiators } = target
    assert.deepEqual(
      [initiators.askNegotiation(1, { tag: 2 }), initiators.askNegotiation(1, { tag: 1 })],
      [0, 1],
    )
    assert.equal(initiators.tellVendorEvent({ code: 1 }), 1)
    assert.equal(initiators.tellSense(0, new Uint8Array(18)), 1)
    assert.equal(initiators.dropConnection(99), 0)
    const end = initiators.rehearse({ mode: 'deaf' }, { tag: 1 })
    const reading = disk.read(0, 1)
    end()
    assert.equal((await reading).length, 512)
    assert.equal(initiators.drop({ initiator: 'iqn.none' }), 0)
    assert.equal(initiators.drop(), 1)
    // It comes back.
    assert.equal((await disk.read(0, 1)).length, 512)
  })
})

describe('lunkit serve', () => {
  test('--redirect sends initiators away, those of one portal group if it says so', async () => {
    const there = await serve(['memory:2M', '--name', NAME])
    const portal = there.ready.portals[0]!
    const here = await serve([
      'memory:1M',
      ...['--name', NAME, '--portal', '127.0.0.1:0,1', '--portal', '127.0.0.1:0,2'],
      ...['--redirect', `2=${portal}`],
    ])
    try {
      const [one, two] = here.ready.portals
      for (const [at, blocks] of [
        [one, 2048],
        [two, 4096],
      ] as const) {
        await using disk = await connect(`iscsi://${at}/${NAME}/0`, ONCE)
        assert.equal((await disk.capacity()).blocks, blocks)
      }
    } finally {
      assert.deepEqual(await Promise.all([here.stop(), there.stop()]), [0, 0])
    }
    assert.ok(here.events.some(({ event, permanent }) => event === 'login-redirected' && permanent === false))
  })

  test('--drain says how long a signal waits', async () => {
    const target = await serve(['memory:1M', '--drain', '0.1'])
    const disk = await connect(target.ready.luns[0]!.url, ONCE)
    assert.equal(await target.stop(), 0)
    await disk.close().catch(() => undefined)
  })

  test('--control takes commands from standard input', async () => {
    const there = await serve(['memory:2M', '--name', NAME])
    const here = await serve(['memory:2M', '--name', NAME, '--control'])
    const url = here.ready.luns[0]!.url
    let answers = 0
    const ask = async (line: string): Promise<Record<string, unknown>> => {
      here.send(line)
      answers++
      const all = () => here.events.filter(({ event }) => event === 'control')
      while (all().length < answers) await new Promise(resolve => setTimeout(resolve, 5))
      const { event: _event, line: told, ...answer } = all().at(-1)!
      assert.equal(told, line)
      return answer
    }
    const errorOf = async (line: string): Promise<string> =>
      ((await ask(line))['error'] as { message: string }).message
    try {
      const disk = await connect(url)
      assert.deepEqual(await ask('drop initiator=iqn.none'), { sessions: 0 })
      assert.deepEqual(await ask('rehearse deaf tag=1 seconds=600'), { rehearsal: 1 })
      const reading = disk.read(0, 1)
      assert.deepEqual(await ask('end 1'), {})
      assert.equal((await reading).length, 512)
      assert.deepEqual(await ask(`redirect ${there.ready.portals[0]} permanent`), {})
      assert.deepEqual(await ask('evict all seconds=5'), { sessions: 1, dropped: 0 })
      assert.equal((await disk.read(0, 1)).length, 512)
      await disk.close()
      assert.ok(
        here.events.some(({ event, permanent }) => event === 'login-redirected' && permanent === true),
      )
      assert.deepEqual(await ask('redirect none'), {})
      assert.deepEqual(await ask('drain 1'), { sessions: 0, dropped: 0 })
      await assert.rejects(connect(url, ONCE), /[Ss]ervice unavailable/)
      assert.deepEqual(await ask('readmit'), {})
      await (await connect(url, ONCE)).close()
      assert.equal((await ask('help'))['drain'], '[SECONDS]')
      assert.deepEqual(await ask('lun 0'), { resize: 'SIZE [shrink]' })
      assert.deepEqual(await ask('lun 0 resize 4M'), { bytes: 4 << 20 })
      assert.deepEqual(await ask('lun 0 resize 2M shrink'), { bytes: 2 << 20 })
      assert.deepEqual(await ask('lun 0 rescan'), { changed: 'no' })
      for (const [line, told] of [
        ['dance', /no command/],
        ['evict', /not said which/],
        ['drop tag=x', /no number/],
        ['evict all colour=red', /no way to say/],
        ['redirect', /no way to say/],
        ['redirect no where!', /no address/],
        ['redirect 10.0.0.9 tag=9', /No portal has the tag 9/],
        ['rehearse deaf tag=9', /No portal has the tag 9/],
        ['evict isid=00023d', /no ISID/],
        ['rehearse noise all', /nothing to rehearse/],
        ['rehearse delay all', /out of range/],
        ['end 7', /no rehearsal 7/],
        ['drain 1 2', /no way to say/],
        ['lun', /no way to say/],
        ['lun x resize 1M', /no way to say/],
        ['lun 7', /no LUN 7/],
        ['lun 0 resize 1M', /would lose/],
        ['lun 0 resize 1M now', /no way to say/],
        ['lun 0 resize much', /no size/],
        ['lun 0 rescan now', /no way to say/],
        ['lun 0 help me', /no way to say/],
        ['lun 0 reset', /has no 'reset'/],
        ['evict all now', /no way to say/],
        ['evict all tag=1', /exclude each other/],
        ['evict tag=1 tag=2', /no way to say/],
        ['redirect none 10.0.0.9', /no way to say/],
        ['redirect permanent', /no way to say/],
        ['rehearse silence all ms=9', /no way to say/],
        ['rehearse deaf much portal=127.0.0.1:1', /says nothing here/],
        ['help lun now', /no command/],
        ['drop initiator=iqn.none everybody', /says nothing here/],
        ['rehearse deaf portal=127.0.0.1:1 too much', /no way to say/],
      ] as const) {
        assert.match(await errorOf(line), told, line)
      }
    } finally {
      assert.deepEqual(await Promise.all([here.stop(), there.stop()]), [0, 0])
    }
  })

  for (const [words, told] of [
    [['--redirect', 'no where'], /no address/],
    [['--redirect', '7=host'], /No portal has the tag/],
    [['--redirect-permanent'], /without --redirect/],
    [['--drain', 'soon'], /no time/],
    [['--drain', '65536'], /no time/],
  ] as const) {
    test(`${words.join(' ')} is refused`, () => assert.rejects(serve(['memory:1M', ...words]), told))
  }
})

/** qemu-io with a prompt: each command is done when the words come that tell so. */
class QemuIo {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  #output = ''

  constructor(url: string) {
    this.#child = spawn('qemu-io', ['-f', 'raw', url], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdout.on('data', data => {
      this.#output += data
    })
  }

  async run(command: string, done: RegExp): Promise<string> {
    this.#output = ''
    this.#child.stdin.write(`${command}\n`)
    const limit = AbortSignal.timeout(30_000)
    while (!done.test(this.#output)) {
      await once(this.#child.stdout, 'data', { signal: limit }).catch((error: unknown) => {
        throw new Error(`After '${command}' came only: ${this.#output}`, { cause: error })
      })
    }
    return this.#output
  }

  async quit(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.stdin.end('quit\n')
    await closed
  }
}

describe('initiators of others', () => {
  test('libiscsi follows a redirect', async t => {
    if (!need(t, 'iscsi-readcapacity16')) return
    await using to = await createTarget({ luns: [memory('2M')], name: NAME })
    await using from = await createTarget({
      luns: [memory('1M')],
      name: NAME,
      redirect: { to: to.portals[0]! },
    })
    const { stdout } = await promisify(execFile)('iscsi-readcapacity16', [from.url], { timeout: 20_000 })
    assert.match(stdout, /ADDRESS:4095/)
  })

  test('QEMU goes on elsewhere after it was asked to log out, and comes back after it was dropped', async t => {
    if (!need(t, 'qemu-io')) return
    const storage = shared()
    await using from = await createTarget({ luns: [storage], name: NAME })
    await using to = await createTarget({ luns: [storage], name: NAME })
    const arrived: string[] = []
    to.on('session-opened', ({ initiator }) => void arrived.push(initiator))
    const qemu = new QemuIo(from.url)
    try {
      await qemu.run('write -P 0x11 0 64k', /wrote 65536/)
      from.initiators.redirect({ to: to.portals[0]! })
      assert.deepEqual(await from.initiators.evict({}, 20), { sessions: 1, dropped: 0 })
      await qemu.run('write -P 0x22 64k 64k', /wrote 65536/)
      assert.equal(arrived.length, 1)
      assert.equal(to.initiators.drop(), 1)
      // libiscsi has forgotten the redirect, or not: both ways lead to the same storage.
      assert.match(await qemu.run('read -P 0x11 0 64k', /read 65536/), /^(?!.*failed)/s)
      assert.match(await qemu.run('read -P 0x22 64k 64k', /read 65536/), /^(?!.*failed)/s)
    } finally {
      await qemu.quit()
    }
    assert.deepEqual([storage.bytes[0], storage.bytes[65_536]], [0x11, 0x22])
  })
})

test('a redirect that leads nowhere is refused at once', async () => {
  await assert.rejects(createTarget({ luns: [memory('1M')], redirect: { to: '' } }), OperatorError)
})
