// SPDX-License-Identifier: Apache-2.0
// Which connections are captured where: one file, a file for each session, chosen initiators; options that cannot be.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Opcode } from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { IscsiBench, read10, TARGET } from '@lunkit/testing/kit/iscsi-bench.ts'
import { INITIATOR } from '@lunkit/testing/kit/raw-peer.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { Capture } from './capture.ts'
import type { CaptureFacts, CaptureOptions } from './options.ts'

const OTHER = 'iqn.2026-11.test.lunkit:../other'
const CLEAN = 'iqn.2026-11.test.lunkit:.._other'

/** Runs on a bench with a capture; everything is written when this returns. */
async function captured(
  options: CaptureOptions,
  run: (bench: IscsiBench) => Promise<void>,
): Promise<readonly string[]> {
  const said: string[] = []
  const capture = await Capture.open(options, reason => void said.push(reason))
  const bench = await IscsiBench.open({ capture })
  try {
    await run(bench)
  } finally {
    await bench.close()
    await capture.close()
  }
  return said
}

/** Two sessions of different initiators, and a login that fails. */
async function threeLogins(bench: IscsiBench): Promise<void> {
  const one = await bench.peer()
  one.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
  await one.receive(Opcode.dataIn)
  await bench.peer({ initiator: OTHER })
  const none = await bench.connect()
  await assert.rejects(none.login({ target: `${TARGET}-not`, initiator: `${INITIATOR}-lost` }))
  await none.end()
}

const packetsOf = (path: string): number => {
  const bytes = readFileSync(path)
  let packets = 0
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + 4)) {
    if (bytes.readUInt32LE(at) === 6) packets++
  }
  return packets
}

const namesIn = (path: string, ...names: string[]): string[] => {
  const text = readFileSync(path).toString('latin1')
  return names.filter(name => text.includes(`InitiatorName=${name}\0`))
}

describe('files', () => {
  test('one file has all connections, also those whose login failed', async t => {
    const file = join(await scratch(t), 'all.pcapng')
    assert.deepEqual(await captured({ file }, threeLogins), [])
    assert.deepEqual(namesIn(file, INITIATOR, OTHER, `${INITIATOR}-lost`).length, 3)
  })

  test('%s gives each session its own, and one to those that never became one', async t => {
    const folder = await scratch(t)
    await captured({ file: join(folder, 'lunkit-%s.pcapng') }, threeLogins)
    const names = ['lunkit-1-0.pcapng', 'lunkit-1-1.pcapng', 'lunkit-1-2.pcapng']
    assert.deepEqual(readdirSync(folder).sort(), names)
    const [lost, first, second] = names.map(name => join(folder, name))
    assert.deepEqual(namesIn(lost!, INITIATOR, OTHER, `${INITIATOR}-lost`), [`${INITIATOR}-lost`])
    assert.deepEqual(namesIn(first!, INITIATOR, OTHER), [INITIATOR])
    assert.deepEqual(namesIn(second!, INITIATOR, OTHER), [OTHER])
    // From SYN to FIN.
    assert.ok(packetsOf(first!) > 10)
  })

  test('%i is the name of the initiator, which leads into no other folder', async t => {
    const folder = await scratch(t)
    await captured({ file: join(folder, '%i.pcapng') }, async bench => {
      await bench.peer({ initiator: OTHER })
      await bench.connect()
    })
    assert.deepEqual(readdirSync(folder).sort(), [`${CLEAN}.pcapng`, 'nobody.pcapng'])
  })

  test('only chosen initiators are captured', async t => {
    const file = join(await scratch(t), 'some.pcapng')
    await captured({ file, initiators: ['*:raw-peer'] }, threeLogins)
    assert.deepEqual(namesIn(file, INITIATOR, OTHER, `${INITIATOR}-lost`), [INITIATOR])
  })

  test('a function decides, with what is known', async t => {
    const folder = await scratch(t)
    const asked: CaptureFacts[] = []
    const file = (facts: CaptureFacts): string | null => {
      asked.push(facts)
      return facts.tsih === 2 ? join(folder, 'second.pcapng') : null
    }
    await captured({ file }, threeLogins)
    assert.deepEqual(readdirSync(folder), ['second.pcapng'])
    assert.deepEqual(asked, [
      { initiator: INITIATOR, target: TARGET, portalGroup: 1, tsih: 1 },
      { initiator: OTHER, target: TARGET, portalGroup: 1, tsih: 2 },
      { initiator: `${INITIATOR}-lost`, target: `${TARGET}-not`, portalGroup: 1, tsih: 0 },
    ])
  })

  test('a function that throws is told of, and the session goes on', async t => {
    const folder = await scratch(t)
    const file = (): string => {
      throw new Error('no idea')
    }
    const said = await captured({ file }, async bench => {
      const peer = await bench.peer()
      peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      await peer.receive(Opcode.dataIn)
    })
    assert.deepEqual(said, [`Capture has no file for ${INITIATOR}: Error: no idea`])
    assert.deepEqual(readdirSync(folder), [])
  })

  test('more sessions than files: the oldest that has ended makes room', async t => {
    const folder = await scratch(t)
    const said = await captured({ file: join(folder, '%s.pcapng'), files: 2 }, async bench => {
      for (let i = 1; i <= 4; i++) {
        const peer = await bench.peer()
        await bench.until(() => existsSync(join(folder, `1-${i}.pcapng`)))
        await peer.close()
        await bench.until(() => bench.of('session-closed').length === i)
      }
    })
    assert.deepEqual(readdirSync(folder).sort(), ['1-3.pcapng', '1-4.pcapng'])
    assert.deepEqual(said, [])
  })

  test('a name that comes again goes on, and overwrites nothing', async t => {
    const folder = await scratch(t)
    await captured({ file: join(folder, '%i.pcapng') }, async bench => {
      for (let i = 1; i <= 2; i++) {
        const peer = await bench.peer()
        await peer.close()
        await bench.until(() => bench.of('session-closed').length === i)
      }
    })
    const names = readdirSync(folder).sort()
    assert.deepEqual(names, [`${INITIATOR}.1.pcapng`, `${INITIATOR}.pcapng`])
    for (const name of names) assert.deepEqual(namesIn(join(folder, name), INITIATOR), [INITIATOR])
  })
})

test('options that cannot be are refused before anything is served', async () => {
  const refused = async (options: CaptureOptions, code: string): Promise<void> => {
    await assert.rejects(
      Capture.open(options, () => undefined),
      (error: unknown) => error instanceof OperatorError && error.code === code,
    )
  }
  await refused({ file: '' }, 'CAPTURE_FILE')
  await refused({ file: '/nowhere/at/all.pcapng' }, 'CAPTURE_FILE')
  await refused({ file: '/nowhere/at/%s.pcapng' }, 'CAPTURE_FILE')
  for (const value of [{ files: 0 }, { fileBytes: 1000 }, { snapBytes: -1 }, { files: 1.5 }]) {
    await refused({ file: 'x.pcapng', ...value }, 'CAPTURE_VALUE')
  }
})
