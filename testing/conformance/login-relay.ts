// SPDX-License-Identifier: Apache-2.0
// A relay before a target for an initiator that cannot offer all that a test wants: other values in its login, data digests.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import {
  BHS_LENGTH,
  crc32cOf,
  encodeText,
  LOGIN_RESPONSE,
  LoginStage,
  Opcode,
  parseText,
  readDigest,
  type TextPair,
  writeDigest,
} from '@lunkit/spec'

export interface LoginChanges {
  /** Values that the target hears instead of the initiator's, by key. */
  readonly keys: Readonly<Record<string, string>>
  /** The relay agrees on data digests with the target, adds them to what goes there and checks what comes from there. */
  readonly dataDigest: boolean
}

/** A whole PDU: header with its AHS and digest, data without padding. */
interface Pdu {
  readonly head: Buffer
  readonly data: Buffer
}

const padded = (bytes: number): number => (bytes + 3) & ~3

/** One direction: bytes in, whole PDUs out. */
class Cutter {
  headerDigest = false
  dataDigest = false
  #bytes = Buffer.alloc(0)

  add(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
  }

  /** The next whole PDU, cut with the digests that hold when it is asked for. Throws for a wrong data digest. */
  next(): Pdu | null {
    const bytes = this.#bytes
    if (bytes.length < BHS_LENGTH) return null
    const head = BHS_LENGTH + bytes[4]! * 4 + (this.headerDigest ? 4 : 0)
    const length = bytes.readUIntBE(5, 3)
    const digest = this.dataDigest && length > 0
    const end = head + padded(length)
    if (bytes.length < end + (digest ? 4 : 0)) return null
    if (digest && readDigest(bytes, end) !== crc32cOf([bytes.subarray(head, end)]))
      throw new Error(`PDU of opcode 0x${(bytes[0]! & 0x3f).toString(16)} has a wrong data digest`)
    this.#bytes = bytes.subarray(end + (digest ? 4 : 0))
    return { head: bytes.subarray(0, head), data: bytes.subarray(head, head + length) }
  }
}

function join({ head, data }: Pdu, digest: boolean): Buffer {
  const body = Buffer.alloc(padded(data.length) + (digest && data.length > 0 ? 4 : 0))
  data.copy(body)
  if (digest && data.length > 0)
    writeDigest(body, body.length - 4, crc32cOf([body.subarray(0, body.length - 4)]))
  return Buffer.concat([head, body])
}

function pairsOf(data: Buffer): readonly TextPair[] {
  const text = parseText(data)
  if (!text.ok) throw new Error(`Login text is broken: ${text.error.kind}`)
  return text.pairs
}

/** The PDU with other values for some keys, and the right length. */
function changed({ head, data }: Pdu, change: (pair: TextPair) => TextPair): Pdu {
  const text = Buffer.from(encodeText(pairsOf(data).map(change)))
  const header = Buffer.from(head)
  header.writeUIntBE(text.length, 5, 3)
  return { head: header, data: text }
}

export class LoginRelay {
  /** The target's answers of each login, those of its last stage. */
  readonly logins: Record<string, string>[] = []
  /** What went wrong in the relay: a digest, a text. */
  readonly faults: string[] = []
  readonly #target: number
  readonly #changes: LoginChanges
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(target: number, changes: LoginChanges) {
    this.#target = target
    this.#changes = changes
    this.#server = createServer({ noDelay: true }, near => this.#accept(near))
  }

  /** Listens on a free port of loopback, and takes connections from there to `target`, another port. */
  static async start(target: number, changes: LoginChanges): Promise<LoginRelay> {
    const relay = new LoginRelay(target, changes)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #accept(near: Socket): void {
    const far = connect({ port: this.#target, host: '127.0.0.1', noDelay: true })
    const { keys, dataDigest } = this.#changes
    const [out, back] = [new Cutter(), new Cutter()]
    const answers: Record<string, string> = {}
    const offer = ({ key, value }: TextPair): TextPair => ({
      key,
      value: key === 'DataDigest' && dataDigest ? 'CRC32C' : (keys[key] ?? value),
    })
    const answer = ({ key, value }: TextPair): TextPair => {
      answers[key] = value
      return { key, value: key === 'DataDigest' ? 'None' : value }
    }
    this.#pass(near, far, chunk => {
      out.add(chunk)
      for (let pdu = out.next(); pdu !== null; pdu = out.next()) {
        const login = (pdu.head[0]! & 0x3f) === Opcode.loginRequest
        far.write(join(login ? changed(pdu, offer) : pdu, back.dataDigest))
      }
    })
    this.#pass(far, near, chunk => {
      back.add(chunk)
      for (let pdu = back.next(); pdu !== null; pdu = back.next()) {
        const login = (pdu.head[0]! & 0x3f) === Opcode.loginResponse
        near.write(join(login ? changed(pdu, answer) : pdu, false))
        if (!login) continue
        const { transit, nsg, statusClass } = LOGIN_RESPONSE.read(pdu.head)
        if (statusClass !== 0 || transit === 0 || nsg !== LoginStage.fullFeature) continue
        out.headerDigest = back.headerDigest = answers['HeaderDigest'] === 'CRC32C'
        back.dataDigest = answers['DataDigest'] === 'CRC32C'
        this.logins.push(answers)
      }
    })
  }

  #pass(from: Socket, to: Socket, take: (chunk: Buffer) => void): void {
    this.#sockets.add(from)
    from.on('data', chunk => {
      try {
        take(chunk as Buffer)
      } catch (error) {
        this.faults.push((error as Error).message)
        from.destroy()
      }
    })
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      to.end()
    })
  }

  async stop(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }
}
