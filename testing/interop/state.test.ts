// SPDX-License-Identifier: Apache-2.0
// What outlives `lunkit serve`: reservations over kill -9, a damaged record, and `lunkit state` to see and repair it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect, type Disk, ScsiError } from '@lunkit/initiator-driver-iscsi'
import {
  type Command,
  PERSISTENT_RESERVE_IN_READ_RESERVATION,
  PERSISTENT_RESERVE_OUT_REGISTER,
  PERSISTENT_RESERVE_OUT_RESERVE,
  RESERVE_OUT_LIST,
  Status,
} from '@lunkit/spec'
import { cdbOf } from '../kit/device-bench.ts'
import { type ServedTarget, serve, workFolder } from '../kit/serve-process.ts'

const MAIN = join(dirname(fileURLToPath(import.meta.url)), '../../cli/src/main.ts')
const folder = workFolder()
const state = join(folder.path, 'state')
let target: ServedTarget | null = null
after(async () => {
  await target?.stop('SIGKILL')
  folder.dispose()
})

const start = async (): Promise<ServedTarget> => {
  target = await serve([join(folder.path, 'disk.img,size=8M'), '--state', state])
  return target
}

/** A disk whose first unit attention has been seen. */
async function open({ ready }: ServedTarget, name: string, isid: number): Promise<Disk> {
  const disk = await connect(ready.luns[0]!.url, {
    initiatorName: `iqn.2026-11.test.lunkit:${name}`,
    isid: Uint8Array.of(0, 2, 0x3d, 0, 0, isid),
  })
  await disk.capacity()
  return disk
}

// biome-ignore lint/suspicious/noExplicitAny: rows of any fields
async function reserveOut(disk: Disk, command: Command<any>, list: object, type = 0): Promise<void> {
  const dataOut = RESERVE_OUT_LIST.write(list)
  const cdb = cdbOf(command, { type, parameterLength: dataOut.length })
  assert.equal((await disk.execute(cdb, { dataOut })).status, Status.good)
}

/** How a write of one block ends: its status, or ASC and ASCQ. */
async function writeOutcome(disk: Disk): Promise<string> {
  try {
    await disk.write(0, Buffer.alloc(512, 1))
    return 'good'
  } catch (error) {
    assert.ok(error instanceof ScsiError, String(error))
    if (error.status === Status.reservationConflict) return 'conflict'
    return `${error.asc}/${error.ascq}`
  }
}

function lunkit(...words: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [MAIN, 'state', ...words, '--state', state],
    {
      encoding: 'utf8',
    },
  )
  return { code: status, output: stdout + stderr }
}

// Requirement: SPC-4, Preserving persistent reservations and registrations: with APTPL a reservation is there again after the
// process was killed, for the same initiator port.
test('a reservation with APTPL outlives kill -9; a damaged one is repaired or given up', async () => {
  const first = await start()
  const owner = await open(first, 'owner', 1)
  assert.equal(existsSync(state), false, 'the folder is made when something is saved')
  await reserveOut(owner, PERSISTENT_RESERVE_OUT_REGISTER, { newKey: 0xabcn, aptpl: 1 })
  await reserveOut(owner, PERSISTENT_RESERVE_OUT_RESERVE, { key: 0xabcn }, 1)
  await first.stop('SIGKILL')
  await owner.close().catch(() => {})

  const unit = readdirSync(state)[0]!
  const record = join(state, unit, 'reservations')
  assert.equal(statSync(record).mode & 0o077, 0, 'others can read who has access')
  const shown = lunkit('show', unit)
  assert.match(
    shown.output,
    /reservation type=1 \(Write Exclusive\)\n.*key=0x0000000000000abc .*:owner .*holder/,
  )
  assert.match(lunkit('ls').output, new RegExp(`^${unit} +reservations +whole\n`))

  // One copy is damaged: the other counts, and that is told.
  writeFileSync(record, 'x')
  assert.match(lunkit('ls').output, /backup/)
  const second = await start()
  assert.equal(await writeOutcome(await open(second, 'stranger', 2)), 'conflict')
  const back = await open(second, 'owner', 1)
  assert.equal(await writeOutcome(back), 'good')
  const { dataIn } = await back.execute(cdbOf(PERSISTENT_RESERVE_IN_READ_RESERVATION, { allocation: 64 }), {
    expectedIn: 64,
  })
  assert.equal(Buffer.from(dataIn).readBigUInt64BE(8), 0xabcn)
  await second.stop('SIGKILL')
  assert.match(JSON.stringify(second.events), /taken from its backup/)
  assert.equal(lunkit('repair', unit, 'reservations').code, 0)
  assert.match(lunkit('ls').output, /whole/)

  // Both are: nobody gets in before an operator has decided.
  for (const path of [record, `${record}.backup`]) writeFileSync(path, 'x')
  const third = await start()
  assert.equal(await writeOutcome(await open(third, 'stranger', 2)), '4/3')
  await third.stop('SIGKILL')
  assert.match(JSON.stringify(third.events), /reservations of unit [0-9a-f]{16} are lost/)
  const refused = lunkit('repair', unit, 'reservations')
  assert.equal(refused.code, 1)
  assert.match(refused.output, /lunkit state forget/)
  assert.equal(lunkit('forget', unit, 'reservations').code, 0)
  assert.equal(lunkit('forget', unit, 'reservations').code, 3)
  assert.match(lunkit('ls').output, /Nothing is kept/)
  const fourth = await start()
  assert.equal(await writeOutcome(await open(fourth, 'stranger', 2)), 'good')
  assert.equal(await fourth.stop(), 0)
})

test('memory is another disk in every run, and keeps nothing unless it is named', async () => {
  target = await serve(['memory:1M', 'memory:1M,serial=kept', '--state', state])
  for (const [lun, wanted] of [Status.checkCondition, Status.good].entries()) {
    const disk = await connect(target.ready.luns[lun]!.url)
    await disk.capacity()
    const dataOut = RESERVE_OUT_LIST.write({ newKey: 1n, aptpl: 1 })
    const cdb = cdbOf(PERSISTENT_RESERVE_OUT_REGISTER, { parameterLength: dataOut.length })
    assert.equal((await disk.execute(cdb, { dataOut })).status, wanted)
    await disk.close()
  }
  assert.equal(await target.stop(), 0)
})
