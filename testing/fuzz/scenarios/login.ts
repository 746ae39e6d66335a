// SPDX-License-Identifier: Apache-2.0
// Logins in every wrong order, with wrong texts and too much of them.
import { type Layout, Opcode, PDU_BY_OPCODE, SCSI_COMMAND } from '@lunkit/spec'
import { payload } from '../content.ts'
import { text } from '../pdu.ts'
import type { Peer } from '../peer.ts'
import type { Random } from '../random.ts'
import type { Scenario } from '../scenario.ts'

const SECURITY = { csg: 0, nsg: 1, transit: 1 }
const KEYS = [
  'HeaderDigest=CRC32C,None',
  'DataDigest=None',
  'InitialR2T=Yes',
  'ImmediateData=Maybe',
  'MaxRecvDataSegmentLength=1',
  'MaxRecvDataSegmentLength=0x10000',
  'MaxBurstLength=16777216',
  'FirstBurstLength=-1',
  'MaxConnections=0',
  'MaxOutstandingR2T=65535',
  'ErrorRecoveryLevel=3',
  'DefaultTime2Wait=99999999999999999999',
  'DataPDUInOrder=No',
  'IFMarker=Yes',
  'IFMarkInt=1~2',
  'TaskReporting=FastAbort,RFC3720',
  'iSCSIProtocolLevel=31',
  'X-org.example.fuzz=1',
  'X#NodeArchitecture=?',
  'SendTargets=All',
  'TargetAddress=1.2.3.4:5',
  'AuthMethod=CHAP,None',
  'AuthMethod=KRB5',
  'CHAP_A=5',
  'CHAP_A=4294967296',
  'CHAP_N=\u00ff\u00fe',
  'CHAP_R=0x',
  'CHAP_C=0bZZZZ',
  'SessionType=Sideways',
  'TargetName=',
  'InitiatorName=nobody',
  'NoEquals',
  '=nothing',
  'Odd Key=1',
  `Long${'g'.repeat(70)}=1`,
  `X-long=${'v'.repeat(9000)}`,
  '',
]

/** One login request whose header or text cannot be accepted. */
const wrongOnce = (name: string, make: (peer: Peer, random: Random) => Buffer): Scenario => ({
  name,
  owed: 'login',
  run: (peer, random) => peer.send(make(peer, random)),
})

/** A good first request of a login in two stages, and something after its answer. */
const wrongThen = (name: string, make: (peer: Peer, random: Random) => Buffer): Scenario => ({
  name,
  owed: 'login',
  async run(peer, random) {
    peer.send(peer.loginRequest(SECURITY, { ...peer.names(), AuthMethod: 'None' }))
    if ((await peer.answer(({ opcode }) => opcode === Opcode.loginResponse)) === null) {
      throw new Error('Good first login request got no answer')
    }
    peer.send(make(peer, random))
  },
})

export const LOGIN: readonly Scenario[] = [
  wrongOnce('reserved stage', (peer, random) =>
    peer.loginRequest(
      random.pick([{ csg: 2 }, { csg: 3 }, { nsg: 2 }, { csg: 1, nsg: 0 }, { csg: 1, nsg: 1 }]),
      peer.names(),
    ),
  ),
  wrongOnce('both T and C', peer => peer.loginRequest({ continue: 1 }, peer.names())),
  wrongOnce('version that does not exist', peer =>
    peer.loginRequest({ versionMin: 1, versionMax: 2 }, peer.names()),
  ),
  wrongOnce('session that does not exist', (peer, random) =>
    peer.loginRequest({ tsih: random.range(0x8000, 0xffff) }, peer.names()),
  ),
  wrongOnce('no initiator name', peer => peer.loginRequest({}, { TargetName: peer.place.target })),
  wrongOnce('no target name', peer => peer.loginRequest({}, { InitiatorName: peer.initiator })),
  wrongOnce('target that does not exist', peer =>
    peer.loginRequest({}, { ...peer.names(), TargetName: 'iqn.2026-11.org.example:nobody' }),
  ),
  wrongOnce('login text that is no text', (peer, random) =>
    peer.loginRequest(
      {},
      random.pick([
        payload(random, random.range(1, 8192)),
        Buffer.from('a=1\0'.repeat(1500)),
        Buffer.from([0x61, 0x3d, 0xff, 0]),
      ]),
    ),
  ),
  wrongOnce('another PDU before login', (peer, random) => {
    const opcode = random.pick([0, 1, 2, 4, 5, 6, 0x10, 0x1c, 0x1f, 0x20, 0x23, 0x3f])
    return peer.encode(
      (PDU_BY_OPCODE[opcode] as Layout | undefined)?.write({ opcode }) ?? Buffer.alloc(48, opcode),
      {
        data: payload(random, random.range(0, 100)),
      },
    )
  }),
  wrongThen('back to the stage before', peer => peer.loginRequest({ csg: 0, nsg: 1 }, {})),
  wrongThen('another tag, ISID, TSIH or CID in the middle', (peer, random) =>
    peer.loginRequest(random.pick([{ itt: 99 }, { isid: Buffer.alloc(6, 7) }, { tsih: 5 }, { cid: 2 }]), {}),
  ),
  wrongThen('a command in the middle', peer =>
    peer.encode(SCSI_COMMAND.write({ opcode: Opcode.scsiCommand, final: 1, itt: 3, cmdSn: peer.cmdSn })),
  ),
  {
    name: 'any keys in any order',
    owed: 'nothing',
    async run(peer, random) {
      for (let round = random.range(1, 5); round > 0; round--) {
        const chosen = Array.from({ length: random.range(0, 8) }, () => random.pick(KEYS))
        const names = random.chance(0.8) ? text(peer.names()) : Buffer.alloc(0)
        const pairs = Buffer.from(chosen.map(pair => `${pair}\0`).join(''), 'latin1')
        const stage = { csg: random.range(0, 3), nsg: random.range(0, 3), transit: random.range(0, 1) }
        const from = peer.answers.length
        peer.send(peer.loginRequest(random.chance(0.5) ? {} : stage, Buffer.concat([names, pairs])))
        await peer.answer(() => true, 50, from)
      }
    },
  },
  {
    name: 'login text without an end',
    owed: 'login',
    async run(peer, random) {
      const piece = Buffer.alloc(8192, `X-${'f'.repeat(30)}=${'v'.repeat(random.range(1, 8000))}\0`)
      const request = peer.loginRequest(
        { transit: 0, continue: 1, ...(random.chance(0.5) && { csg: 0 }) },
        piece,
      )
      for (let i = 0; i < 64 && !peer.closed; i++) {
        peer.send(request)
        if (random.chance(0.5)) await new Promise(setImmediate)
      }
    },
  },
  {
    name: 'login again in a session',
    owed: 'reject',
    async run(peer) {
      await peer.login()
      peer.send(
        peer.encode(peer.loginRequest({}, peer.names()).subarray(0, 48), { data: text(peer.names()) }),
      )
    },
  },
  {
    name: 'login that never goes on',
    owed: 'nothing',
    async run(peer, random) {
      peer.send(peer.loginRequest({ ...SECURITY, transit: 0 }, { ...peer.names(), AuthMethod: 'CHAP,None' }))
      await peer.answer(() => true, 50)
      peer.leave(random.pick(['end', 'destroy']))
    },
  },
]
