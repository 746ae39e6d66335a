// SPDX-License-Identifier: Apache-2.0
// A handler that comes after the target was started, one that does not come, and who is not waited for.
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { OperatorError } from '@lunkit/target-api'
import { nbdPeer } from '@lunkit/testing/kit/nbd-peer.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { createTarget } from './create-target.ts'
import { whenThere } from './when-there.ts'

const away = (): OperatorError => new OperatorError('HANDLER_AWAY', 'nobody')

test('what comes in time is opened, and it is told once that it was waited for', async () => {
  const told: string[] = []
  let tries = 0
  const open = async (): Promise<string> => {
    if (++tries < 4) throw away()
    return 'there'
  }
  const opened = await whenThere(open, async () => 60, { tell: reason => told.push(reason) })
  assert.equal(opened, 'there')
  assert.equal(tries, 4)
  assert.deepEqual(told, ['nobody; waiting for it, up to 60 s'])
})

test('what does not come is given up with its own error, at once where nobody is to wait', async () => {
  for (const [seconds, least] of [
    [0, 1],
    [0.2, 3],
  ] as const) {
    let tries = 0
    const told: string[] = []
    const open = async (): Promise<void> => {
      tries++
      throw away()
    }
    const opening = whenThere(open, async () => seconds, { tell: reason => told.push(reason) })
    await assert.rejects(opening, { code: 'HANDLER_AWAY' })
    assert.ok(tries >= least, `${tries} tries`)
    assert.equal(told.length, seconds === 0 ? 0 : 1)
    if (seconds === 0) assert.equal(tries, 1)
  }
})

test('who is there and refuses is not asked again', async () => {
  let tries = 0
  const open = async (): Promise<void> => {
    tries++
    throw new OperatorError('HANDLER_WRONG', 'no')
  }
  const patience = async (): Promise<number> => assert.fail('nobody has to wait')
  await assert.rejects(whenThere(open, patience, { tell: () => {} }), { code: 'HANDLER_WRONG' })
  assert.equal(tries, 1)
})

test('a signal ends the waiting of createTarget', async context => {
  const stop = new AbortController()
  const luns = [`handler:${join(await scratch(context), 'none.sock')},wait=1000`]
  const opening = createTarget({ luns, signal: stop.signal, waiting: () => stop.abort() })
  await assert.rejects(opening, { name: 'AbortError' })
})

/** Who says hello on that socket as blocks and as a SCSI unit, and nothing after it. */
function greet(context: TestContext, path: string): void {
  const hello = Buffer.from(JSON.stringify({ version: 1, size: 1 << 20, type: 3 }))
  const frame = Buffer.alloc(16)
  frame.writeUInt32BE(hello.length, 0)
  frame[4] = 1
  const server = createServer(socket => {
    socket.on('error', () => {}).resume()
    socket.write(Buffer.concat([frame, hello]))
  })
  server.listen(path)
  context.after(() => server.close())
}

for (const [lun, serve] of [
  ['handler:@', greet],
  ['readonly:handler:@', greet],
  ['cdrom:handler:@', greet],
  ['user:@', greet],
  ['nbd+unix:///?socket=@', nbdPeer],
] as const) {
  test(`${lun}: its other end may come after the target; of a LUN that is added later it has to be there`, async context => {
    const path = join(await scratch(context), 's')
    const told: string[] = []
    const waiting = (reason: string): void => {
      told.push(reason)
      void serve(context, path)
    }
    await using target = await createTarget({ luns: [`${lun.replace('@', path)},wait=600`], waiting })
    assert.match(told.join(), /^[^,]*waiting for it, up to 600 s$/)
    await assert.rejects(target.addLun(`${lun.replace('@', `${path}-none`)},wait=600`), {
      code: /^(HANDLER_AWAY|NBD_CONNECT)$/,
    })
  })
}
