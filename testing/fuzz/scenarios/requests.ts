// SPDX-License-Identifier: Apache-2.0
// Full feature phase: every opcode, wrong numbers, tags and additional headers, texts, aborts, logouts.
import {
  BHS,
  type Layout,
  LOGOUT_REQUEST,
  NOP_OUT,
  Opcode,
  PDU_BY_OPCODE,
  RESERVED_TAG,
  SNACK,
  TASK_MANAGEMENT_REQUEST,
  TEXT_REQUEST,
} from '@lunkit/spec'
import { anyCdb, inquiry, read10, somewhere, write10 } from '../cdb.ts'
import { payload } from '../content.ts'
import { Lun, strictLun } from '../lun.ts'
import { patientWrite } from '../patient-write.ts'
import { lunField, text } from '../pdu.ts'
import type { Peer } from '../peer.ts'
import type { Random } from '../random.ts'
import type { Scenario } from '../scenario.ts'
import type { Answer } from '../wire.ts'

/** A session, and one PDU in it that cannot be accepted. */
const wrong = (name: string, make: (peer: Peer, random: Random) => Buffer): Scenario => ({
  name,
  owed: 'reject',
  async run(peer, random) {
    await peer.login()
    peer.send(make(peer, random))
  },
})

/** What no initiator may send, and what nobody may. */
const NOT_OURS = Array.from({ length: 64 }, (_, opcode) => opcode).filter(
  opcode => opcode >= 0x20 || PDU_BY_OPCODE[opcode] === undefined,
)

const textRequest = (peer: Peer, fields: Record<string, number>, data: Uint8Array): Buffer =>
  peer.pdu(
    TEXT_REQUEST,
    Opcode.textRequest,
    { final: 1, itt: 7, ttt: RESERVED_TAG, ...peer.number(), ...fields },
    { data },
  )

export const REQUESTS: readonly Scenario[] = [
  wrong('opcode that is not ours to send', (peer, random) => {
    const opcode = random.pick(NOT_OURS)
    const header = (PDU_BY_OPCODE[opcode] as Layout | undefined)?.write({ opcode }) ?? Buffer.alloc(48)
    header[0] = opcode | (random.chance(0.3) ? 0x40 : 0)
    return peer.encode(header, { data: payload(random, random.range(0, 1000)) })
  }),
  wrong('SNACK', (peer, random) => {
    const fields = {
      final: 1,
      type: random.range(0, 15),
      itt: random.next(),
      ttt: random.next(),
      runLength: random.next(),
    }
    return peer.pdu(SNACK, Opcode.snack, fields)
  }),
  wrong('answer to a ping that was not sent', (peer, random) =>
    peer.pdu(NOP_OUT, Opcode.nopOut, {
      immediate: 1,
      final: 1,
      itt: RESERVED_TAG,
      ttt: random.range(1 << 20, 1 << 30),
      ...peer.number(),
    }),
  ),
  wrong(
    'command with the reserved tag',
    peer => peer.command(inquiry(96), { read: true, expected: 96, fields: { itt: RESERVED_TAG } }).pdu,
  ),
  wrong(
    'data with a command that is no write',
    (peer, random) =>
      peer.command(read10(0, 1), { read: true, expected: 512, data: payload(random, 512) }).pdu,
  ),
  wrong('additional header that does not fit', (peer, random) => {
    const ahs = random.bytes(4 * random.range(1, 8))
    ahs.writeUInt16BE(random.pick([0, ahs.length + 1, 0xffff]), 0)
    return peer.command(inquiry(96), { read: true, expected: 96, ahs }).pdu
  }),
  wrong('text that is no text', (peer, random) =>
    textRequest(peer, {}, random.pick([payload(random, 99), Buffer.from('=x\0'), Buffer.from('k=\x01\0')])),
  ),
  wrong('text request with both F and C', peer =>
    textRequest(peer, { continue: 1 }, text({ SendTargets: 'All' })),
  ),
  wrong('text of an exchange that is not there', (peer, random) =>
    textRequest(peer, { ttt: random.range(2, 1 << 30) }, text({ SendTargets: 'All' })),
  ),
  wrong('logout for no reason', peer =>
    peer.pdu(LOGOUT_REQUEST, Opcode.logoutRequest, {
      immediate: 1,
      final: 1,
      reason: 77,
      itt: 5,
      ...peer.number(),
    }),
  ),
  {
    name: 'command in a discovery session',
    owed: 'reject',
    async run(peer) {
      await peer.login({ SessionType: 'Discovery' })
      peer.send(peer.command(inquiry(96), { read: true, expected: 96 }).pdu)
    },
  },
  {
    name: 'tag in use',
    owed: 'reject',
    async run(peer, random) {
      await peer.login({ InitialR2T: 'Yes', ImmediateData: 'No' })
      const write = { write: true, expected: 4096 }
      const { itt, answer } = await patientWrite(peer, () =>
        peer.command(write10(somewhere(random, 8), 8), write),
      )
      if (answer === null) throw new Error('Write got no R2T')
      peer.send(peer.command(inquiry(96), { read: true, expected: 96, fields: { itt } }).pdu)
    },
  },
  {
    name: 'text without an end',
    owed: 'reject',
    async run(peer, random) {
      await peer.login()
      const piece = Buffer.alloc(8192, `X-flood=${'v'.repeat(random.range(1, 8000))}\0`)
      for (let i = 0, ttt = RESERVED_TAG; i < 32 && !peer.closed; i++, ttt = 1) {
        peer.send(textRequest(peer, { final: 0, continue: 1, ttt }, piece))
        if (random.chance(0.5)) await new Promise(setImmediate)
      }
    },
  },
  {
    name: 'CmdSN outside the window',
    owed: 'echo',
    async run(peer, random) {
      await peer.login()
      for (let i = random.range(1, 20); i > 0; i--) {
        const cmdSn = (peer.cmdSn + random.pick([-1, -2, 0x7fff_ffff, 0x8000_0000, 100_000, -100_000])) >>> 0
        const data = payload(random, 512)
        const fields = { cmdSn, itt: peer.itt++ }
        peer.send(
          peer.command(write10(somewhere(random, 1), 1), { write: true, expected: 512, data, fields }).pdu,
        )
        peer.cmdSn = (peer.cmdSn - 1) >>> 0
      }
    },
  },
  {
    name: 'commands in the wrong order',
    owed: 'echo',
    async run(peer, random) {
      await peer.login()
      const commands = Array.from({ length: random.range(2, 12) }, () =>
        peer.command(read10(somewhere(random, 2), 2), { lun: strictLun(random), read: true, expected: 1024 }),
      )
      for (let i = commands.length - 1; i > 0; i--) {
        const j = random.range(0, i)
        ;[commands[i], commands[j]] = [commands[j]!, commands[i]!]
      }
      for (const { pdu } of commands) peer.send(pdu)
      const asked = new Set(commands.map(({ itt }) => itt))
      const isDone = ({ opcode, header }: Answer): boolean =>
        (opcode === Opcode.scsiResponse || (opcode === Opcode.dataIn && (header[1]! & 1) === 1)) &&
        asked.has(BHS.field.itt.get(header, 0))
      const done = (): number => peer.answers.filter(isDone).length
      await peer.answer(() => done() === commands.length)
      if (done() !== commands.length)
        throw new Error(`${done()} of ${commands.length} commands were answered`)
    },
  },
  {
    name: 'any CDB',
    owed: 'echo',
    async run(peer, random) {
      await peer.login(random.chance(0.3) ? { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' } : {})
      for (let i = random.range(1, 16); i > 0; i--) {
        const cdb = anyCdb(random)
        const expected = random.pick([0, 1, 96, 512, 513, 4096, 65_536, random.range(0, 200_000)])
        const data = random.chance(0.5)
          ? payload(random, Math.min(expected, random.range(0, 8192)))
          : Buffer.alloc(0)
        const write = random.chance(0.5)
        const lun = random.chance(0.9) ? strictLun(random) : random.range(5, 255)
        peer.send(
          peer.command(cdb, {
            lun,
            expected,
            write,
            read: !write,
            ...(write && { data }),
            fields: { attribute: random.range(0, 3) },
          }).pdu,
        )
      }
      await peer.answer(() => false, 20)
    },
  },
  {
    name: 'additional headers of all kinds',
    owed: 'nothing',
    async run(peer, random) {
      await peer.login()
      for (let i = random.range(1, 6); i > 0; i--) {
        const ahs = random.bytes(4 * random.range(1, 255))
        ahs.writeUInt16BE(random.range(1, ahs.length), 0)
        ahs[2] = random.range(0, 3)
        const cdb = random.chance(0.5) ? Buffer.alloc(16, 0x7f) : anyCdb(random)
        peer.send(peer.command(cdb, { read: true, expected: 512, ahs }).pdu)
      }
      await peer.answer(() => true, 20)
    },
  },
  {
    name: 'aborts of this and that',
    owed: 'echo',
    async run(peer, random) {
      await peer.login({ InitialR2T: 'Yes', ImmediateData: 'No' })
      peer.loose = true
      for (let i = random.range(1, 10); i > 0; i--) {
        const cdb = random.chance(0.5) ? write10(somewhere(random, 8), 8) : read10(somewhere(random, 8), 8)
        const write = cdb[0] === 0x2a
        peer.send(peer.command(cdb, { lun: Lun.scribble, write, read: !write, expected: 4096 }).pdu)
        const management = {
          immediate: random.range(0, 1),
          final: 1,
          // Neither target reset: those concern the good sessions too.
          function: random.pick([0, 1, 1, 1, 2, 3, 4, 5, 8, 9, 127]),
          lun: lunField(random.pick([Lun.scribble, 77])),
          itt: peer.itt++,
          referencedTaskTag: random.chance(0.7) ? peer.itt - 2 : random.next(),
          refCmdSn: random.chance(0.7) ? peer.cmdSn - 1 : random.next(),
        }
        const numbers = management.immediate === 1 ? { cmdSn: peer.cmdSn } : peer.number()
        peer.send(
          peer.pdu(TASK_MANAGEMENT_REQUEST, Opcode.taskManagementRequest, { ...management, ...numbers }),
        )
      }
      await peer.answer(() => false, 20)
    },
  },
  {
    name: 'logout, and more after it',
    owed: 'nothing',
    async run(peer, random) {
      await peer.login()
      peer.send(peer.command(read10(0, 100), { read: true, expected: 51_200 }).pdu)
      const reason = random.pick([0, 1, 2])
      peer.send(
        peer.pdu(LOGOUT_REQUEST, Opcode.logoutRequest, {
          immediate: 1,
          final: 1,
          reason,
          itt: 5,
          cid: random.range(0, 2),
          ...peer.number(),
        }),
      )
      for (let i = 0; i < 4; i++) peer.send(peer.command(inquiry(96), { read: true, expected: 96 }).pdu)
      await peer.answer(() => false, 20)
    },
  },
  {
    name: 'reads that nobody takes',
    owed: 'nothing',
    async run(peer, random) {
      await peer.login({ MaxRecvDataSegmentLength: '65536' })
      peer.stall()
      for (let i = random.range(10, 60); i > 0; i--) {
        peer.send(peer.command(read10(somewhere(random, 2048), 2048), { read: true, expected: 1 << 20 }).pdu)
      }
      await peer.answer(() => false, random.range(1, 300))
      peer.leave()
    },
  },
]
