// SPDX-License-Identifier: Apache-2.0
// A session of scripted initiators with several connections, which count one CmdSN together.
import {
  BHS,
  keyByName,
  LOGIN_RESPONSE,
  LoginStage,
  NOP_IN,
  NOP_OUT,
  Opcode,
  RESERVED_TAG,
  SCSI_RESPONSE,
  Status,
} from '@lunkit/spec'
import { type IscsiBench, TARGET, testUnitReady } from './iscsi-bench.ts'
import { fieldsOf, INITIATOR, keysOf, type RawPdu, type RawPeer } from './raw-peer.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const FULL = { transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature } as const

/** One initiator with several connections to a bench's target. */
export class RawSession {
  tsih = 0
  readonly #bench: IscsiBench
  readonly #keys: Readonly<Record<string, string>>
  #cmdSn = 1

  private constructor(bench: IscsiBench, keys: Readonly<Record<string, string>>) {
    this.#bench = bench
    this.#keys = keys
  }

  /** Logs in with a first connection, CID 1, whose unit attentions are through. */
  static async open(
    bench: IscsiBench,
    keys: Readonly<Record<string, string>> = {},
  ): Promise<{ session: RawSession; first: RawPeer }> {
    const session = new RawSession(bench, keys)
    const first = await bench.connect()
    const pdu = await first.loginRound({ ...FULL, cid: 1 }, { ...NAMES, MaxConnections: '4', ...keys })
    session.tsih = fieldsOf(LOGIN_RESPONSE, pdu).tsih
    session.#adopt(first, pdu)
    let status: number
    do {
      session.next(first).command(testUnitReady())
      status = fieldsOf(SCSI_RESPONSE, await session.receive(first, Opcode.scsiResponse)).status
    } while (status !== Status.good)
    return { session, first }
  }

  /** Another connection; its login response. */
  async login(
    cid: number,
    more: Readonly<Record<string, string>> = {},
  ): Promise<{ peer: RawPeer; pdu: RawPdu }> {
    const peer = await this.#bench.connect()
    const own = Object.entries(this.#keys).filter(([key]) => keyByName(key)?.scope === 'connection')
    const keys = { ...NAMES, ...Object.fromEntries(own), ...more }
    const pdu = await peer.loginRound({ ...FULL, tsih: this.tsih, cid, cmdSn: this.#cmdSn }, keys)
    if (fieldsOf(LOGIN_RESPONSE, pdu).statusClass === 0) this.#adopt(peer, pdu)
    return { peer, pdu }
  }

  async join(cid: number): Promise<RawPeer> {
    const { peer, pdu } = await this.login(cid)
    const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
    if (statusClass !== 0) throw new Error(`Login ended with ${statusClass}/${statusDetail}`)
    return peer
  }

  #adopt(peer: RawPeer, pdu: RawPdu): void {
    const agreed = keysOf(pdu)
    peer.headerDigest = agreed['HeaderDigest'] === 'CRC32C'
    peer.dataDigest = agreed['DataDigest'] === 'CRC32C'
    peer.expStatSn = (fieldsOf(LOGIN_RESPONSE, pdu).statSn + 1) >>> 0
    peer.itt = fieldsOf(LOGIN_RESPONSE, pdu).tsih * 0x1_0000 + this.#cmdSn * 0x100
  }

  /** The peer, ready to send the session's next numbered request. */
  next(peer: RawPeer): RawPeer {
    peer.cmdSn = this.#cmdSn++
    return peer
  }

  /** CmdSN of the next request. */
  get cmdSn(): number {
    return this.#cmdSn
  }

  /** Answers a ping of the target, which acknowledges what was received there. */
  pong(peer: RawPeer, ping: RawPdu): void {
    const { ttt } = fieldsOf(NOP_IN, ping)
    const { expStatSn } = peer
    peer.sendPdu(NOP_OUT, {
      opcode: Opcode.nopOut,
      immediate: 1,
      final: 1,
      itt: RESERVED_TAG,
      ttt,
      cmdSn: this.#cmdSn,
      expStatSn,
    } as never)
  }

  /** The next PDU of a connection that is no ping of the target; those are answered. */
  async receiveAnswer(peer: RawPeer, opcode?: number): Promise<RawPdu> {
    for (;;) {
      const pdu = await this.receive(peer)
      if (pdu.opcode !== Opcode.nopIn || fieldsOf(NOP_IN, pdu).ttt === RESERVED_TAG) {
        if (opcode !== undefined && pdu.opcode !== opcode)
          throw new Error(
            `Target sent opcode 0x${pdu.opcode.toString(16)} instead of 0x${opcode.toString(16)}`,
          )
        return pdu
      }
      this.pong(peer, pdu)
    }
  }

  /** The next PDU of a connection, whose StatSN is acknowledged by the next request there. */
  async receive(peer: RawPeer, opcode?: number): Promise<RawPdu> {
    const pdu = await peer.receive(opcode)
    if (NUMBERED.has(BHS.field.opcode.get(pdu.header, 0))) {
      peer.expStatSn = (fieldsOf(SCSI_RESPONSE, pdu).statSn + 1) >>> 0
    }
    return pdu
  }
}

const NUMBERED: ReadonlySet<number> = new Set([
  Opcode.scsiResponse,
  Opcode.taskManagementResponse,
  Opcode.textResponse,
  Opcode.logoutResponse,
  Opcode.reject,
  Opcode.asyncMessage,
])
