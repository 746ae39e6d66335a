// SPDX-License-Identifier: Apache-2.0
// Sessions of this initiator with this target, in all the ways that were agreed on, with every PDU of both kept.
import { buildCdb } from '@lunkit/initiator-core'
import { discover, openSession, type Session, type SessionOptions } from '@lunkit/initiator-driver-iscsi'
import {
  encodeText,
  NOP_OUT,
  Opcode,
  READ_10,
  READ_32,
  RESERVED_TAG,
  TEST_UNIT_READY,
  TEXT_REQUEST,
  TEXT_RESPONSE,
  WRITE_10,
  WRITE_32,
} from '@lunkit/spec'
import { ScriptedTarget } from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'
import { FaultyProxy } from '../../kit/faulty-proxy.ts'
import { type BenchOptions, BLOCK, type IscsiBench, TARGET, withBench } from '../../kit/iscsi-bench.ts'
import { slowDigest } from '../../kit/pdu-forms.ts'
import { type Side, type TappedPdu, WireTap } from '../../kit/wire-tap.ts'

const READY = buildCdb(TEST_UNIT_READY, {})
const read = (blocks: number): Uint8Array => buildCdb(READ_10, { lba: 3, blocks })
const write = (blocks: number): Uint8Array => buildCdb(WRITE_10, { lba: 3, blocks })
const LONG_READ = buildCdb(READ_32, { lba: 3, blocks: 2 })
const LONG_WRITE = buildCdb(WRITE_32, { lba: 3, blocks: 2 })
const pattern = (blocks: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length: blocks * BLOCK }, (_, at) => (at * seed) & 0xff))

/** Bursts and segments short enough that a few blocks are several of them. */
const SHORT = { firstBurstLength: 1024, maxBurstLength: 2048, maxRecvDataSegmentLength: 1024 }

/** Pings from the target, and segments that are no whole number of blocks. */
const BENCH: BenchOptions = {
  nop: { intervalMs: 40, timeoutMs: 60_000 },
  limits: { maxRecvDataSegmentLength: 768 },
}

/** Options by the name of what they show. */
export const WAYS: Readonly<Record<string, SessionOptions>> = {
  'unsolicited, with immediate data': { ...SHORT, initialR2T: false, immediateData: true },
  'unsolicited, without immediate data': { ...SHORT, initialR2T: false, immediateData: false },
  'solicited, with immediate data': { ...SHORT, initialR2T: true, immediateData: true },
  'solicited alone': { ...SHORT, initialR2T: true, immediateData: false, maxOutstandingR2T: 4 },
  'with digests': { ...SHORT, headerDigest: 'require', dataDigest: 'require', initialR2T: false },
  'with defaults': {},
  'at level 1': { ...SHORT, errorRecoveryLevel: 1, dataDigest: 'require' },
  'at level 2, over two connections': { ...SHORT, errorRecoveryLevel: 2, connections: 2, initialR2T: false },
}

/** All kinds of requests: reads and writes of many lengths, long CDBs, functions, pings and text. */
async function talk(session: Session, bench: IscsiBench): Promise<void> {
  await session.execute({ lun: 0, cdb: READY })
  for (const blocks of [1, 2, 3, 4, 5, 9]) {
    const dataOut = pattern(blocks, blocks)
    await session.execute({ lun: 0, cdb: write(blocks), dataOut })
    const { dataIn } = await session.execute({ lun: 0, cdb: read(blocks), expectedIn: blocks * BLOCK })
    if (!dataOut.equals(dataIn)) throw new Error(`Other data came back of ${blocks} blocks`)
  }
  await session.execute({ lun: 0, cdb: LONG_WRITE, dataOut: pattern(2, 7) })
  await session.execute({ lun: 0, cdb: LONG_READ, expectedIn: 2 * BLOCK })
  await session.execute({ lun: 5, cdb: write(9), dataOut: pattern(9, 3) })
  // More and less than the command wants, and some that is no whole word.
  await session.execute({ lun: 0, cdb: read(4), expectedIn: 2 * BLOCK })
  await session.execute({ lun: 0, cdb: read(1), expectedIn: 4 * BLOCK })
  await session.execute({ lun: 0, cdb: read(1), expectedIn: 101 })
  await session.execute({ lun: 0, cdb: write(2), dataOut: pattern(4, 1) })
  await Promise.all(
    [1, 5, 2, 9, 3].flatMap(blocks => [
      session.execute({ lun: 0, cdb: write(blocks), dataOut: pattern(blocks, 9) }),
      session.execute({ lun: 0, cdb: read(blocks), expectedIn: blocks * BLOCK }),
    ]),
  )
  await Promise.all([session.ping(), session.renegotiate(), session.renegotiate(), session.ping()])
  await abortOne(session, bench)
  await session.manage('logical-unit-reset', 0)
  await session.manage('target-warm-reset', 5)
  await session.execute({ lun: 0, cdb: READY })
}

const answersPing = ({ opcode, header }: TappedPdu): boolean =>
  opcode === Opcode.nopOut && NOP_OUT.field.ttt.get(header, 0) !== RESERVED_TAG

async function abortOne(session: Session, bench: IscsiBench): Promise<void> {
  const stop = new AbortController()
  bench.store.held = true
  const held = session.execute({ lun: 0, cdb: read(1), expectedIn: BLOCK, signal: stop.signal })
  await bench.until(() => bench.store.underWay > 0)
  stop.abort(new Error('enough'))
  bench.store.release()
  await held.catch(() => undefined)
}

/** The PDUs of one session. */
export async function tapped(options: SessionOptions): Promise<readonly TappedPdu[]> {
  let pdus: readonly TappedPdu[] = []
  await withBench(
    { nop: { intervalMs: 40, timeoutMs: 60_000 }, limits: { maxRecvDataSegmentLength: 768 } },
    async bench => {
      await using tap = await WireTap.to(bench.port.portals[0]!.port)
      const portal = `127.0.0.1:${tap.port}`
      {
        await using session = await openSession({ portal, target: TARGET, ...options })
        await talk(session, bench)
        await bench.until(() => tap.pdus.some(answersPing))
      }
      pdus = tap.pdus
    },
  )
  return pdus
}

/** The PDUs of a discovery session whose answer comes in pieces. */
export async function tappedDiscovery(): Promise<readonly TappedPdu[]> {
  let pdus: readonly TappedPdu[] = []
  await withBench({}, async bench => {
    for (let i = 0; i < 200; i++) bench.engine.addTarget({ name: `${TARGET}.${i}.${'x'.repeat(60)}` })
    await using tap = await WireTap.to(bench.port.portals[0]!.port)
    await discover(`127.0.0.1:${tap.port}`)
    pdus = tap.pdus
  })
  return pdus
}

/** The PDUs of a session whose target wants so many keys answered that the text is longer than it takes at once. */
export async function tappedText(): Promise<readonly TappedPdu[]> {
  const lun = Buffer.from([0, 3, 0, 0, 0, 0, 0, 0])
  const keys = encodeText(Array.from({ length: 40 }, (_, at) => ({ key: `X-org.example.${at}`, value: '1' })))
  let answers = 0
  await using target = await ScriptedTarget.logsIn(
    ({ opcode, itt, header }, peer) => {
      if (opcode !== Opcode.textRequest) return
      const { final } = TEXT_REQUEST.read(header)
      const asks = ++answers === 1
      const ends = final === 1 && !asks
      const fields = {
        opcode: Opcode.textResponse,
        itt,
        final: ends ? 1 : 0,
        ttt: ends ? RESERVED_TAG : answers,
      }
      peer.sendStatus(
        TEXT_RESPONSE,
        { ...fields, lun: ends ? new Uint8Array(8) : lun },
        asks ? keys : undefined,
      )
    },
    { MaxRecvDataSegmentLength: '512' },
  )
  await using tap = await WireTap.to(target.port)
  await using session = await openSession({ ...target.options, portal: `127.0.0.1:${tap.port}` })
  await session.renegotiate()
  await session.close()
  return tap.pdus
}

/** Damage on the way of a session of that level, for both directions. */
const FAULTS = { data: 0.05, omit: 0.03, cutAll: 0, delay: 0.02, latestMs: 5 }
const rates = (level: number) => ({
  ...FAULTS,
  header: level === 2 ? 0.003 : 0,
  cut: level === 2 ? 0.003 : 0,
})

/**
 * The PDUs of a session that recovers from damage, loss and, at level 2, lost connections, as the initiator or the target
 * sees them; without those that a digest shows it not to be what was sent.
 */
export async function tappedFaults(level: 1 | 2, seed: number, near: Side): Promise<readonly TappedPdu[]> {
  let pdus: readonly TappedPdu[] = []
  await withBench(BENCH, async bench => {
    const target = bench.port.portals[0]!.port
    await using first =
      near === 'target' ? await WireTap.to(target) : await FaultyProxy.to(target, seed, rates(level))
    await using second =
      near === 'target' ? await FaultyProxy.to(first.port, seed, rates(level)) : await WireTap.to(first.port)
    const digests = { headerDigest: 'require', dataDigest: 'require' } as const
    const options = {
      ...SHORT,
      ...digests,
      errorRecoveryLevel: level,
      connections: level,
      initialR2T: level === 1,
    }
    const portal = `127.0.0.1:${second.port}`
    {
      await using session = await openSession({
        portal,
        target: TARGET,
        ...options,
        nopIntervalMs: 200,
        time2Wait: 0,
      })
      for (let round = 0; round < 12; round++) {
        await Promise.all(
          [1, 3, 6, 9].flatMap(blocks => [
            session.execute({
              lun: 0,
              cdb: write(blocks),
              dataOut: pattern(blocks, round),
              repeatable: true,
            }),
            session.execute({ lun: 0, cdb: read(blocks), expectedIn: blocks * BLOCK, repeatable: true }),
          ]),
        )
      }
      const proxy = first instanceof FaultyProxy ? first : (second as FaultyProxy)
      proxy.calm = true
    }
    const tap = first instanceof WireTap ? first : (second as WireTap)
    const isTrue = ({ header, headerDigest, data, padding, dataDigest }: TappedPdu): boolean => {
      if (headerDigest !== null && !headerDigest.equals(slowDigest(header))) return false
      // A target knows of a PDU whose data alone are wrong.
      return near === 'target' || dataDigest === null || dataDigest.equals(slowDigest(data, padding))
    }
    pdus = tap.pdus.filter(pdu => pdu.from === near || isTrue(pdu))
  })
  return pdus
}
