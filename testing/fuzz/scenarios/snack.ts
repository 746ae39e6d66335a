// SPDX-License-Identifier: Apache-2.0
// Error recovery level 1: what is asked for again, rightly and wrongly; what is never acknowledged; what was spoilt on its way.
import { BHS, DATA_IN, NOP_OUT, Opcode, R2T, RESERVED_TAG, SCSI_RESPONSE, SnackType } from '@lunkit/spec'
import { inquiry, read10, somewhere, write10 } from '../cdb.ts'
import { payload } from '../content.ts'
import { Lun, strictLun } from '../lun.ts'
import { patientWrite } from '../patient-write.ts'
import { isNumbered, Peer } from '../peer.ts'
import type { Random } from '../random.ts'
import type { Scenario } from '../scenario.ts'
import { answerTo, dataFor, isGood, keysFor, settled, snack, Team, textRequest } from '../team.ts'
import type { Answer } from '../wire.ts'

const level = (random: Random): number => random.range(1, 2)

/** A read that was answered and is not acknowledged, with its pieces. */
interface Read {
  readonly itt: number
  readonly pieces: readonly Answer[]
  readonly response: Answer
}

async function unacknowledged(peer: Peer, random: Random, most = 64): Promise<Read> {
  const blocks = random.range(1, most)
  const from = peer.answers.length
  const parts = { lun: strictLun(random), read: true, expected: blocks * 512 }
  const { itt, pdu } = peer.command(read10(somewhere(random, blocks), blocks), parts)
  peer.send(pdu)
  const response = await answerTo(peer, itt, from)
  if (response === null) throw new Error('Good read got no answer')
  const pieces = peer.answers
    .slice(from)
    .filter(({ opcode, header }) => opcode === Opcode.dataIn && BHS.field.itt.get(header, 0) === itt)
  return { itt, pieces, response }
}

/** Numbers that runs begin with and have, around those that there are. */
const NUMBERS = [0, 1, 2, 3, 5, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff]

const anyRun = (random: Random, end: number): { begRun: number; runLength: number } => {
  const number = (): number =>
    random.chance(0.6) ? (random.pick(NUMBERS) + random.pick([0, 0, end])) >>> 0 : random.next()
  return { begRun: random.chance(0.5) ? random.range(0, end) : number(), runLength: number() }
}

/** SNACKs of any kind about any of these reads. */
function anySnack(peer: Peer, random: Random, reads: readonly Read[]): Buffer {
  const { itt, pieces, response } = random.pick(reads)
  const type = random.range(0, 4)
  const { statSn } = SCSI_RESPONSE.read(response.header)
  const tags = pieces.map(({ header }) => DATA_IN.field.ttt.get(header, 0))
  const run = anyRun(random, type === SnackType.status ? statSn : pieces.length)
  return snack(peer, {
    type,
    itt: random.chance(0.9) ? itt : random.next(),
    ttt: random.pick([...tags, RESERVED_TAG, 0, random.next()]),
    expStatSn: random.pick([peer.expStatSn, statSn, peer.expStatSn - 1, random.next()]) >>> 0,
    ...run,
  })
}

const same = (one: Answer, other: Answer): boolean => {
  // The command window may have moved meanwhile.
  const bare = ({ header }: Answer): Buffer => Buffer.concat([header.subarray(0, 28), header.subarray(36)])
  return bare(one).equals(bare(other)) && one.data.equals(other.data)
}

/** Sends a request and gives the next `count` answers that are no pings. */
async function next(peer: Peer, request: Buffer, count: number): Promise<Answer[]> {
  const from = peer.answers.length
  peer.send(request)
  const come = (): Answer[] =>
    peer.answers
      .slice(from)
      .filter(({ opcode, header }) => opcode !== Opcode.nopIn || isNumbered(opcode, header))
  await peer.answer(() => come().length >= count, 10_000, from)
  if (come().length < count) throw new Error(`SNACK brought ${come().length} of ${count} PDUs`)
  return come()
}

export const SNACKS: readonly Scenario[] = [
  {
    name: 'SNACKs of every kind for every range',
    owed: 'either',
    async run(peer, random) {
      await Team.gather(peer, keysFor(random, level(random)))
      peer.acknowledges = random.chance(0.3)
      const reads: Read[] = []
      for (let i = random.range(1, 3); i > 0; i--) reads.push(await unacknowledged(peer, random))
      for (let i = random.range(1, 60); i > 0 && !peer.closed; i--) {
        peer.send(anySnack(peer, random, reads))
        if (random.chance(0.2)) await peer.answer(() => false, 2)
      }
    },
  },
  {
    name: 'SNACKs that are right',
    owed: 'echo',
    async run(peer, random) {
      await Team.gather(peer, keysFor(random, level(random)))
      peer.acknowledges = false
      const { itt, pieces, response } = await unacknowledged(peer, random)
      const { statSn, expDataSn } = SCSI_RESPONSE.read(response.header)
      if (expDataSn !== pieces.length) throw new Error(`${pieces.length} pieces came, not ${expDataSn}`)
      if (pieces.length === 0) return
      const begRun = random.range(0, pieces.length - 1)
      const runLength = random.range(1, pieces.length - begRun)
      const expStatSn = statSn
      const again = await next(
        peer,
        snack(peer, { type: SnackType.dataOrR2t, itt, begRun, runLength, expStatSn }),
        runLength,
      )
      if (again.some((one, i) => !same(one, pieces[begRun + i]!)))
        throw new Error('Data that was asked for again is another')
      const [status] = await next(
        peer,
        snack(peer, { type: SnackType.status, begRun: statSn, runLength: 1, expStatSn }),
        1,
      )
      if (!same(status!, response)) throw new Error('Status that was asked for again is another')
      // Acknowledged up to a burst, only the rest is to be had.
      const asking = pieces.filter(({ header }) => DATA_IN.field.acknowledge.get(header, 0) === 1)
      if (asking.length === 0) return
      const { ttt, dataSn } = DATA_IN.read(random.pick(asking).header)
      const ack = snack(peer, { type: SnackType.dataAck, ttt, begRun: dataSn + 1, expStatSn })
      peer.send(ack)
      const all = snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 0, expStatSn })
      const rest = await next(peer, all, pieces.length - dataSn - 1)
      if (rest.some((one, i) => !same(one, pieces[dataSn + 1 + i]!)))
        throw new Error('Data after the acknowledged is another')
    },
  },
  {
    name: 'thousands of SNACKs in one chunk',
    owed: 'nothing',
    async run(peer, random) {
      await Team.gather(peer, keysFor(random, level(random)))
      peer.acknowledges = false
      const reads = [await unacknowledged(peer, random, 2048)]
      for (let i = random.range(0, 500); i > 0; i--) peer.send(peer.command(inquiry(0), { read: true }).pdu)
      await settled(peer)
      const { itt, response, pieces } = reads[0]!
      const { statSn } = SCSI_RESPONSE.read(response.header)
      const ttt = DATA_IN.field.ttt.get((pieces[0] ?? response).header, 0)
      const kind = random.range(0, 4)
      const one =
        kind === 4
          ? anySnack(peer, random, reads)
          : snack(peer, {
              type: kind,
              itt,
              ttt: kind === SnackType.rData ? 5 : ttt,
              begRun: kind === SnackType.status && random.chance(0.5) ? statSn : 0,
              runLength: kind === SnackType.status || random.chance(0.5) ? random.range(0, 1) : 0,
              expStatSn: statSn,
            })
      if (random.chance(0.7)) peer.stall()
      const chunk = Buffer.concat(new Array<Buffer>(random.range(500, 4000)).fill(one))
      peer.send(chunk)
      // Others are served meanwhile.
      const other = await Peer.open(peer.place, `${peer.initiator}.beside`)
      peer.mates.push(other)
      await other.login()
      if (!(await other.ping())) throw new Error('Good peer got no answer beside many SNACKs')
      await peer.answer(() => false, random.range(1, 200), peer.answers.length)
    },
  },
  {
    name: 'answers that are never acknowledged',
    owed: 'reject',
    async run(peer, random) {
      await Team.gather(peer, { ...keysFor(random, level(random)), MaxRecvDataSegmentLength: '65536' })
      const { expStatSn } = peer
      peer.acknowledges = false
      const data = payload(random, random.pick([8192, 32_768, 65_536]))
      for (let sent = 0; sent < 6 << 20 && !peer.closed; sent += data.length) {
        const numbers = { cmdSn: peer.cmdSn, expStatSn }
        const header = { immediate: 1, final: 1, itt: peer.itt++, ttt: RESERVED_TAG, ...numbers }
        peer.send(peer.pdu(NOP_OUT, Opcode.nopOut, header, { data }))
        if (random.chance(0.05)) await peer.answer(() => false, 1)
      }
    },
  },
  {
    name: 'ExpStatSN backwards, far ahead and at random',
    owed: 'echo',
    async run(peer, random) {
      const team = await Team.gather(peer, keysFor(random, random.range(0, 2)), random.range(1, 3))
      const first = peer.expStatSn
      for (let i = random.range(4, 40); i > 0; i--) {
        const one = random.pick(team.live)
        const expStatSn =
          random.pick([
            first,
            one.expStatSn - 1,
            one.expStatSn + 1,
            one.expStatSn + 0x7fff_ffff,
            one.expStatSn + 0x8000_0000,
            random.next(),
          ]) >>> 0
        const blocks = random.range(1, 16)
        const parts = { lun: strictLun(random), read: true, expected: blocks * 512, fields: { expStatSn } }
        one.send(one.command(read10(somewhere(random, blocks), blocks), parts).pdu)
        if (random.chance(0.2)) one.send(snack(one, { type: SnackType.status, expStatSn }))
      }
      await Promise.all(team.live.map(one => settled(one)))
    },
  },
  {
    name: 'data spoilt at every place',
    owed: 'echo',
    async run(peer, random) {
      const keys: Record<string, string> = { ...keysFor(random, level(random)), DataDigest: 'CRC32C' }
      await Team.gather(peer, keys)
      const lun = strictLun(random)
      const blocks = random.range(1, 32)
      const expected = blocks * 512
      const most = keys['ImmediateData'] === 'Yes' ? Math.min(512, expected) : 0
      const at = somewhere(random, blocks)
      const spoilt = random.chance(0.5)
      const write = { lun, write: true, expected, data: payload(random, most) }
      const { itt, answer } = await patientWrite(
        peer,
        () => {
          const right = peer.command(write10(at, blocks), write)
          if (!spoilt) return right
          // Spoilt, it has not been received: the same comes again.
          peer.itt--
          peer.cmdSn = (peer.cmdSn - 1) >>> 0
          const wrong = peer.command(write10(at, blocks), { ...write, damage: 'data' })
          return { itt: right.itt, pdu: Buffer.concat([wrong.pdu, right.pdu]) }
        },
        true,
      )
      let last: Answer | null = answer
      let left = 40
      while (last !== null && last.opcode === Opcode.r2t) {
        const from = peer.answers.indexOf(last) + 1
        const { r2tSn } = R2T.read(last.header)
        if (random.chance(0.2))
          peer.send(snack(peer, { type: SnackType.dataOrR2t, itt, begRun: r2tSn, runLength: 1 }))
        const damage = left-- > 0 && random.chance(0.5) ? random.range(0, 3) : -1
        for (const pdu of dataFor(peer, random, lun, last, damage)) peer.send(pdu)
        if (random.chance(0.3)) peer.send(textRequest(peer, { 'X-lunkit.fuzz': '1' }).pdu)
        // Not the same once more.
        last = await peer.answer(
          ({ opcode, header }) =>
            BHS.field.itt.get(header, 0) === itt &&
            (opcode === Opcode.scsiResponse ||
              (opcode === Opcode.r2t && R2T.field.r2tSn.get(header, 0) > r2tSn)),
          10_000,
          from,
        )
      }
      if (!isGood(last)) throw new Error('Write whose spoilt data came again was not good')
    },
  },
  {
    name: 'R-Data after other lengths were agreed',
    owed: 'either',
    async run(peer, random) {
      await Team.gather(peer, keysFor(random, level(random)))
      peer.acknowledges = false
      const one = await unacknowledged(peer, random)
      const { statSn } = SCSI_RESPONSE.read(one.response.header)
      for (let i = random.range(1, 8); i > 0 && !peer.closed; i--) {
        const length = random.pick([512, 513, 516, 4096, 65_536, 0xff_ffff])
        const partly = random.chance(0.2) ? { final: 0 } : {}
        peer.send(textRequest(peer, { MaxRecvDataSegmentLength: String(length) }, partly).pdu)
        const fields = {
          itt: one.itt,
          expStatSn: statSn,
          begRun: random.chance(0.8) ? 0 : random.range(0, 9),
        }
        peer.send(snack(peer, { ...fields, type: SnackType.rData, ttt: random.range(1, 9) }))
        if (random.chance(0.5)) peer.send(anySnack(peer, random, [one]))
        if (random.chance(0.5)) await peer.answer(() => false, 3)
      }
    },
  },
  {
    name: 'SNACKs of writes, reads and nothing at all while they run',
    owed: 'either',
    async run(peer, random) {
      await Team.gather(peer, keysFor(random, level(random)))
      peer.loose = true
      const tags: number[] = []
      for (let i = random.range(1, 12); i > 0; i--) {
        const write = random.chance(0.5)
        const cdb = write ? write10(somewhere(random, 8), 8) : read10(somewhere(random, 8), 8)
        const { itt, pdu } = peer.command(cdb, { lun: Lun.scribble, write, read: !write, expected: 4096 })
        tags.push(itt)
        peer.send(pdu)
        for (let j = random.range(0, 3); j > 0; j--) {
          const fields = { type: random.range(0, 3), itt: random.pick(tags), ttt: random.next() }
          peer.send(snack(peer, { ...fields, ...anyRun(random, 4) }))
        }
      }
      await peer.answer(() => false, 5)
    },
  },
]
