// SPDX-License-Identifier: Apache-2.0
// What each error ends a command with, for every kind of LUN: the same fault has the same exit code everywhere.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { OperatorError } from '@lunkit/target-api'
import { ExitCode, exitCodeOf } from './exit-codes.ts'
import { createTarget } from './target-face/create-target.ts'
import { UsageError } from './usage-error.ts'

const { failed, usage, missing, unreachable, refused, interrupted } = ExitCode

test('codes of errors have exit codes', () => {
  for (const [code, wanted] of [
    ['STORE_FLUSH', failed],
    ['QCOW2_CORRUPT', failed],
    ['OVERLAY_DAMAGED', failed],
    ['LUN_KEY_UNKNOWN', usage],
    ['PARAMETER_VALUE', usage],
    ['BLOCK_SIZE', usage],
    ['NBD_KEYS', usage],
    ['NBD_URI', usage],
    ['SERIAL_TWICE', usage],
    ['FILE_SIZE_DIFFERS', usage],
    ['FILE_MISSING', missing],
    ['FILE_IN_USE', missing],
    ['BLOCK_ACCESS', missing],
    ['SG_KOFFI', missing],
    ['QCOW2_FORMAT', missing],
    ['OVERLAY_BASE', missing],
    ['PORT_DENIED', missing],
    ['ISCSI_DISK', missing],
    ['NBD_SOCKET', missing],
    ['STORAGE_IN_USE', missing],
    ['PASSTHROUGH_TYPE', missing],
    ['NBD_TIMEOUT', unreachable],
    ['NBD_TLS', unreachable],
    ['TRANSPORT_TIMEOUT', unreachable],
    ['LOGIN_TIMEOUT', unreachable],
    ['PASSTHROUGH_AWAY', unreachable],
    ['LOGIN_AUTHENTICATION', refused],
    ['NBD_EXPORT', refused],
    ['NBD_PROTOCOL', refused],
    ['HANDLER_WRONG', refused],
  ] as const) {
    assert.equal(exitCodeOf(new OperatorError(code, 'x')), wanted, code)
    assert.equal(exitCodeOf(new UsageError(code, 'x')), wanted, code)
  }
  assert.equal(exitCodeOf(new DOMException('stopped', 'AbortError')), interrupted)
  // Faults of lunkit itself are nobody's usage.
  assert.equal(exitCodeOf(new TypeError('x')), failed)
  assert.equal(exitCodeOf('x'), failed)
})

const folder = mkdtempSync(join(tmpdir(), 'lunkit-'))
const at = (name: string): string => join(folder, name)
/** Takes connections, and closes each after it has said what it has to. */
let mute: Server
let port = 0
before(async () => {
  mkdirSync(at('folder'))
  writeFileSync(at('text'), 'no image, no key, no module')
  writeFileSync(at('closed'), Buffer.alloc(4096, 1))
  chmodSync(at('closed'), 0)
  mute = createServer(socket => socket.on('error', () => {}).end())
  await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve))
  port = (mute.address() as { port: number }).port
})
after(() => {
  mute.close()
  rmSync(folder, { recursive: true, force: true })
})

const TARGET = 'iqn.2000-01.org.example:none'
/** Nobody listens on port 1. */
const NOBODY = '127.0.0.1:1'
/** `@` is the folder, `#` the port of who says nothing of use. */
const LUNS: readonly (readonly [lun: string, wanted: number])[] = [
  // What makes no sense.
  ['memory:1M,colour=red', usage],
  ['memory:much', usage],
  ['floppy:a', usage],
  [`nbd://${NOBODY}/,connections=99`, usage],
  [`nbd://${NOBODY}/,tls-ca=@/text`, usage],
  ['nbd:nonsense', usage],
  ['encrypt:memory:1M', usage],
  [`iscsi://${NOBODY}/${TARGET}/0,chap-user=u`, usage],
  ['iscsi://host', usage],
  ['passthrough:nowhere', usage],
  // What is not here, or not what it has to be.
  ['@/none.img', missing],
  ['@/none/new.img,size=1M', missing],
  ['@/folder', missing],
  ['qcow2:@/none.qcow2', missing],
  ['qcow2:@/text', missing],
  ['cdrom:@/none.iso', missing],
  ['block:@/none', missing],
  ['block:@/text', missing],
  ['block:@/folder', missing],
  ['passthrough:/dev/sg999', missing],
  ['passthrough:@/text', missing],
  ['object:@/none.mjs', missing],
  ['object:@/text', missing],
  ['handler:@/folder', missing],
  ['handler:@/text', missing],
  ['user:@/text', missing],
  ['encrypt:memory:1M,keyfile=@/none', missing],
  ['encrypt:memory:1M,keyfile=@/folder', missing],
  ['encrypt:memory:1M,keyfile=@/text', missing],
  ['checksum:memory:1M,checksums=@/none/x', missing],
  ['checksum:memory:1M,checksums=@/text', missing],
  ['trace:memory:1M,tracefile=@/none/x', missing],
  ['trace:memory:1M,tracefile=@/folder', missing],
  ['overlay:memory:1M,upper=@/none/x', missing],
  ['overlay:memory:1M,upper=@/text', missing],
  [`iscsi://${NOBODY}/${TARGET}/0,chap-user=u,chap-file=@/none`, missing],
  [`passthrough:iscsi://${NOBODY}/${TARGET}/0,tls-ca=@/none`, missing],
  [`nbds://${NOBODY}/,tls-ca=@/none`, missing],
  // Nobody there.
  [`nbd://${NOBODY}/,wait=0`, unreachable],
  ['nbd+unix:///?socket=@/none,wait=0', unreachable],
  ['handler:@/none,wait=0', unreachable],
  ['user:@/none,wait=0', unreachable],
  [`iscsi://${NOBODY}/${TARGET}/0,wait=0`, unreachable],
  [`passthrough:iscsi://${NOBODY}/${TARGET}/0,wait=0`, unreachable],
  [`cdrom:cache:nbd://${NOBODY}/,wait=0`, unreachable],
  // Somebody who does not do it.
  ['nbd://127.0.0.1:#/,wait=0', refused],
]
/** Root may read everything. */
const CLOSED: typeof LUNS = [
  ['@/closed', missing],
  ['qcow2:@/closed', missing],
  ['encrypt:memory:1M,keyfile=@/closed', missing],
  ['checksum:memory:1M,checksums=@/closed', missing],
  ['overlay:memory:1M,upper=@/closed', missing],
  ['object:@/closed', missing],
]

for (const [given, wanted] of process.getuid?.() === 0 ? LUNS : [...LUNS, ...CLOSED]) {
  test(`${given} ends with ${wanted}`, async () => {
    const lun = given.replaceAll('@', folder).replaceAll('#', String(port))
    const error = await createTarget({ luns: [lun] }).then(
      target => target.close().then(() => null),
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof Error, 'it was served')
    assert.ok('hint' in error && error.hint !== '', `no way out is told: ${error.message}`)
    assert.equal(exitCodeOf(error), wanted, `${(error as OperatorError).code}: ${error.message}`)
  })
}

test('the way out of a file beside the storage is its own key, not that of an image', async () => {
  for (const [lun, key] of [
    ['overlay:memory:1M,upper=@/folder', 'upper='],
    ['overlay:memory:1M,upper=@/none/x', 'upper='],
    ['memory:1M,protection=1,tags=@/folder', 'tags='],
    ['checksum:memory:1M,checksums=@/folder', 'checksums='],
    ['trace:memory:1M,tracefile=@/folder', 'tracefile='],
  ] as const) {
    const opening = createTarget({ luns: [lun.replaceAll('@', folder)] })
    await assert.rejects(opening, ({ hint }: OperatorError) => hint.includes(key), lun)
  }
})

test('of several LUNs, an error says which', async () => {
  for (const lun of [`${folder}/none.img`, 'memory:1M,colour=red'])
    await assert.rejects(createTarget({ luns: ['memory:1M', lun] }), { message: /^LUN 1: / })
})
