// SPDX-License-Identifier: Apache-2.0
// Writes whose data comes wrong: gaps, overlaps, too much, too little, unasked, with wrong numbers and tags.
import { LOGOUT_REQUEST, Opcode, R2T, RESERVED_TAG, SCSI_RESPONSE } from '@lunkit/spec'
import { somewhere, write10 } from '../cdb.ts'
import { payload } from '../content.ts'
import { strictLun } from '../lun.ts'
import { patientWrite } from '../patient-write.ts'
import { lunField } from '../pdu.ts'
import type { Peer } from '../peer.ts'
import type { Random } from '../random.ts'
import type { Scenario } from '../scenario.ts'

interface Asked {
  readonly itt: number
  readonly lun: Uint8Array
  readonly ttt: number
  readonly offset: number
  readonly length: number
}

/** A session, a write without data, and what the target asks for. */
async function asked(peer: Peer, random: Random, digests = random.chance(0.3)): Promise<Asked> {
  const keys = {
    InitialR2T: 'Yes',
    ImmediateData: 'No',
    MaxBurstLength: random.pick(['8192', '65536', '262144']),
  }
  await peer.login({ ...keys, ...(digests && { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' }) })
  const blocks = random.range(8, 128)
  const lun = strictLun(random)
  const write = { lun, write: true, expected: blocks * 512 }
  const { itt, answer } = await patientWrite(peer, () =>
    peer.command(write10(somewhere(random, blocks), blocks), write),
  )
  if (answer === null) throw new Error('Write got no R2T')
  const { ttt, bufferOffset, desiredLength } = R2T.read(answer.header)
  return { itt, ttt, lun: lunField(lun), offset: bufferOffset, length: desiredLength }
}

/** A fault in the answer to the first R2T. */
const fault = (
  name: string,
  owed: Scenario['owed'],
  act: (peer: Peer, random: Random, r2t: Asked) => Promise<void> | void,
): Scenario => ({
  name,
  owed,
  async run(peer, random) {
    const r2t = await asked(peer, random)
    await act(peer, random, r2t)
    await notGood(peer, r2t.itt)
  },
})

/** How long an answer is waited for that may never be owed, in ms. */
const MOMENT = 30

/** A write whose data came wrong must not be called good. */
async function notGood(peer: Peer, itt: number): Promise<void> {
  const { itt: tag, status } = SCSI_RESPONSE.field
  const answer = await peer.answer(
    ({ opcode, header }) => opcode === Opcode.scsiResponse && tag.get(header, 0) === itt,
    MOMENT,
  )
  if (answer !== null && status.get(answer.header, 0) === 0)
    throw new Error('Write with wrong data was called good')
}

/** The first part of the sequence is right; the second is not at its place. */
function second(shift: (random: Random, first: number) => number) {
  return (peer: Peer, random: Random, { itt, ttt, lun, offset, length }: Asked): void => {
    const first = 512 * random.range(1, length / 512 - 1)
    peer.send(peer.dataOut(itt, ttt, { lun, dataSn: 0, bufferOffset: offset }, payload(random, first)))
    const bufferOffset = (offset + first + shift(random, first)) >>> 0
    const data = payload(random, length - first)
    peer.send(peer.dataOut(itt, ttt, { lun, final: 1, dataSn: 1, bufferOffset }, data))
  }
}

/** Data that was not agreed upon. */
const unasked = (
  name: string,
  keys: Record<string, string>,
  act: (peer: Peer, random: Random) => void,
): Scenario => ({
  name,
  owed: 'sense',
  async run(peer, random) {
    await peer.login(keys)
    act(peer, random)
  },
})

export const DATA_OUT_FAULTS: readonly Scenario[] = [
  fault(
    'gap in Data-Out',
    'reject',
    second(random => 512 * random.range(1, 1000)),
  ),
  fault(
    'overlap in Data-Out',
    'reject',
    second((random, first) => -random.range(1, first)),
  ),
  fault(
    'Data-Out far away',
    'reject',
    second(random => random.next()),
  ),
  fault('Data-Out beyond what was asked for', 'reject', (peer, random, { itt, ttt, lun, offset, length }) =>
    peer.send(
      peer.dataOut(
        itt,
        ttt,
        { lun, final: 1, bufferOffset: offset },
        payload(random, length + random.range(1, 4096)),
      ),
    ),
  ),
  fault('wrong DataSN', 'reject', (peer, random, { itt, ttt, lun, offset, length }) =>
    peer.send(
      peer.dataOut(
        itt,
        ttt,
        { lun, final: 1, bufferOffset: offset, dataSn: random.range(1, 0xffff_ffff) },
        payload(random, length),
      ),
    ),
  ),
  fault('wrong target transfer tag', 'reject', (peer, random, { itt, ttt, lun, offset, length }) =>
    peer.send(
      peer.dataOut(
        itt,
        (ttt ^ (1 << random.range(0, 31))) >>> 0,
        { lun, final: 1, bufferOffset: offset },
        payload(random, length),
      ),
    ),
  ),
  fault('unsolicited where it was asked for', 'reject', (peer, random, { itt, lun, offset, length }) =>
    peer.send(
      peer.dataOut(itt, RESERVED_TAG, { lun, final: 1, bufferOffset: offset }, payload(random, length)),
    ),
  ),
  fault('Data-Out of a task that is not there', 'reject', (peer, random, { itt, ttt, offset }) =>
    peer.send(
      peer.dataOut(
        itt + random.range(1, 1000),
        ttt,
        { final: 1, bufferOffset: offset },
        payload(random, 512),
      ),
    ),
  ),
  fault('sequence without its end', 'reject', (peer, random, { itt, ttt, lun, offset, length }) =>
    peer.send(peer.dataOut(itt, ttt, { lun, final: 0, bufferOffset: offset }, payload(random, length))),
  ),
  fault('sequence that ends too early', 'sense', async (peer, random, { itt, ttt, lun, offset, length }) => {
    const data = payload(random, random.range(0, length - 1))
    peer.send(peer.dataOut(itt, ttt, { lun, final: 1, bufferOffset: offset }, data))
    await answerLater(peer, random)
  }),
  {
    name: 'wrong data digest of Data-Out',
    owed: 'reject',
    async run(peer, random) {
      const { itt, ttt, lun, offset, length } = await asked(peer, random, true)
      const data = payload(random, length)
      peer.send(peer.dataOut(itt, ttt, { lun, final: 1, bufferOffset: offset }, data, { damage: 'data' }))
    },
  },
  fault('gone in the middle of Data-Out', 'nothing', (peer, random, { itt, ttt, lun, offset, length }) => {
    const pdu = peer.dataOut(itt, ttt, { lun, final: 1, bufferOffset: offset }, payload(random, length))
    peer.send(pdu.subarray(0, random.range(0, pdu.length - 1)))
    peer.leave(random.pick(['end', 'destroy']))
  }),
  fault('logout instead of data', 'nothing', async (peer, random) => {
    peer.send(
      peer.pdu(LOGOUT_REQUEST, Opcode.logoutRequest, { immediate: 1, final: 1, itt: 5, ...peer.number() }),
    )
    if ((await peer.answer(({ opcode }) => opcode === Opcode.logoutResponse)) === null)
      throw new Error('Logout got no answer')
    peer.leave(random.pick(['end', 'destroy']))
  }),
  unasked('immediate data that was ruled out', { ImmediateData: 'No' }, (peer, random) => {
    const data = payload(random, 512)
    peer.send(
      peer.command(write10(somewhere(random, 1), 1), {
        lun: strictLun(random),
        write: true,
        expected: 512,
        data,
      }).pdu,
    )
  }),
  unasked('more immediate data than the first burst', { FirstBurstLength: '512' }, (peer, random) => {
    const data = payload(random, 8192)
    peer.send(
      peer.command(write10(somewhere(random, 16), 16), {
        lun: strictLun(random),
        write: true,
        expected: 8192,
        data,
      }).pdu,
    )
  }),
  unasked('more immediate data than expected', {}, (peer, random) => {
    const data = payload(random, 1024)
    peer.send(
      peer.command(write10(somewhere(random, 2), 2), {
        lun: strictLun(random),
        write: true,
        expected: 512,
        data,
      }).pdu,
    )
  }),
  unasked('unsolicited data that was ruled out', { InitialR2T: 'Yes' }, (peer, random) => {
    const parts = { lun: 0, write: true, expected: 4096, fields: { final: 0 } }
    const { itt, pdu } = peer.command(write10(somewhere(random, 8), 8), parts)
    peer.send(pdu)
    peer.send(peer.dataOut(itt, RESERVED_TAG, { final: 1, lun: lunField(0) }, payload(random, 4096)))
  }),
  {
    name: 'CDB that wants another length than the header',
    owed: 'echo',
    async run(peer, random) {
      const immediate = random.chance(0.5)
      await peer.login({ InitialR2T: 'Yes', ImmediateData: immediate ? 'Yes' : 'No' })
      for (let i = random.range(1, 4); i > 0; i--) {
        const expected = random.pick([0, 1, 511, 512, 513, 1024, 5000])
        const lun = strictLun(random)
        const data = payload(random, immediate ? expected : 0)
        const from = peer.answers.length
        const { itt, pdu } = peer.command(write10(somewhere(random, 16), random.range(0, 16)), {
          lun,
          write: true,
          expected,
          data,
        })
        peer.send(pdu)
        await answerR2ts(peer, random, itt, lun, from)
      }
    },
  },
]

/** Later R2Ts of the same write are served rightly, until the target answers. */
async function answerLater(peer: Peer, random: Random): Promise<void> {
  await peer.answer(
    ({ opcode }) => opcode === Opcode.scsiResponse || opcode === Opcode.reject,
    random.range(1, 2000),
  )
}

/** Brings what is asked for, until the command is answered. */
async function answerR2ts(peer: Peer, random: Random, itt: number, lun: number, from: number): Promise<void> {
  for (let seen = from; ; ) {
    const answer = await peer.answer(
      ({ opcode }) => opcode === Opcode.r2t || opcode === Opcode.scsiResponse || opcode === Opcode.reject,
      10_000,
      seen,
    )
    if (answer === null) throw new Error('Write got neither R2T nor answer')
    seen = peer.answers.indexOf(answer) + 1
    if (answer.opcode !== Opcode.r2t) return
    const { ttt, bufferOffset, desiredLength } = R2T.read(answer.header)
    peer.send(
      peer.dataOut(itt, ttt, { lun: lunField(lun), final: 1, bufferOffset }, payload(random, desiredLength)),
    )
  }
}
