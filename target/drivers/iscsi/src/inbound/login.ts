// SPDX-License-Identifier: Apache-2.0
// Login requests of one connection: from header to the login's rows and back, and the session that comes of it.
import {
  BHS,
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LoginStatus,
  Opcode,
  ProtocolId,
  writeTransportId,
} from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { LOGIN_DATA_BYTES, Login, type LoginReply, type LoginRequest } from '../login/login.ts'
import { padded } from '../outbound/pdu.ts'
import { Session } from '../session.ts'

const fields = LOGIN_REQUEST.field

export function receiveLogin(
  connection: Connection,
  header: Buffer,
  at: number,
  data: readonly Buffer[],
): void {
  if (BHS.field.opcode.get(header, at) !== Opcode.loginRequest) {
    refuseOther(connection, header, at)
    return
  }
  if (connection.login === null) {
    connection.login = new Login(connection.port)
    connection.statSn = fields.expStatSn.get(header, at)
    connection.step('loginRequest')
  }
  const { login } = connection
  const request = readRequest(header, at, data)
  const reply = login.receive(request)
  if (reply.status !== LoginStatus.success) {
    fail(connection, request, reply.status, reply.failure)
    return
  }
  if (login.complete) complete(connection, login, request, reply)
  else sendLoginResponse(connection, request, reply, 0, 1)
}

function readRequest(header: Buffer, at: number, data: readonly Buffer[]): LoginRequest {
  return {
    transit: fields.transit.get(header, at) === 1,
    continues: fields.continue.get(header, at) === 1,
    csg: fields.csg.get(header, at),
    nsg: fields.nsg.get(header, at),
    versionMin: fields.versionMin.get(header, at),
    isid: Buffer.from(fields.isid.get(header, at)).toString('hex'),
    tsih: fields.tsih.get(header, at),
    itt: fields.itt.get(header, at),
    cid: fields.cid.get(header, at),
    cmdSn: fields.cmdSn.get(header, at),
    text: data.slice(),
  }
}

/** Anything but a login request before the end of login: an answer only if a login had begun (RFC 7143, 6.3). */
function refuseOther(connection: Connection, header: Buffer, at: number): void {
  const { login } = connection
  if (login?.first != null) {
    sendLoginResponse(connection, login.first, refusal(LoginStatus.invalidDuringLogin), 0, 0)
  }
  connection.fatal(header, at, 'PDU came before the end of login')
}

const refusal = (status: number): LoginReply => ({
  status,
  transit: false,
  continues: false,
  text: Buffer.alloc(0),
  failure: '',
})

/** Refuses the login with a status, says so to the observer, and ends the connection. */
function fail(connection: Connection, request: LoginRequest, status: number, reason: string): void {
  connection.port.observe({
    type: 'login-failed',
    target: connection.login?.targetName ?? '',
    initiator: connection.initiator,
    address: connection.address,
    reason,
  })
  sendLoginResponse(connection, request, refusal(status), 0, 0)
  connection.step('loginFailed')
  void connection.end('fault', true)
}

/** Login is through: an older session of this initiator port makes room first, then the last response goes out. */
function complete(connection: Connection, login: Login, request: LoginRequest, reply: LoginReply): void {
  const { port } = connection
  if (login.discovery) {
    establish(connection, login, request, reply)
    return
  }
  const waiting = port.claimNexus(connection, login)
  if (waiting === null) {
    establish(connection, login, request, reply)
    return
  }
  connection.halt()
  void waiting.then(free => {
    if (connection.over) return
    if (free) establish(connection, login, request, reply)
    else
      fail(
        connection,
        request,
        LoginStatus.serviceUnavailable,
        'The session to replace has tasks that do not end',
      )
    connection.resume()
  })
}

function establish(connection: Connection, login: Login, request: LoginRequest, reply: LoginReply): void {
  const { port } = connection
  const tsih = port.newTsih(login.target === null)
  if (tsih === 0) {
    fail(connection, request, LoginStatus.outOfResources, 'There are too many sessions')
    return
  }
  const identity = { initiator: login.initiator, isid: request.isid, tsih, cid: request.cid }
  const session = new Session(
    connection,
    identity,
    login.target,
    login.parameters,
    login.settled,
    login.first!.cmdSn,
  )
  if (login.target !== null) {
    session.nexus = port.engine.openNexus(port, login.target, {
      name: login.initiator,
      port: request.isid,
      transportId: writeTransportId({
        protocol: ProtocolId.iscsi,
        name: login.initiator,
        isid: request.isid,
      }),
    })
    session.nexus.driverData = session
  }
  port.admit(connection, session)
  connection.open(session)
  connection.step('loginDone')
  sendLoginResponse(connection, request, reply, tsih, 1)
  // Digests begin behind this response.
  connection.setDigests(session.parameters.headerDigest, session.parameters.dataDigest)
  connection.framer.maxData = login.declared
    ? port.settings.limits.maxRecvDataSegmentLength
    : LOGIN_DATA_BYTES
}

/** `room` is how far the command window is open for an initiator that is not logged in yet. */
function sendLoginResponse(
  connection: Connection,
  request: LoginRequest,
  reply: LoginReply,
  tsih: number,
  room: number,
): void {
  const { text } = reply
  const at = connection.out.claim(48 + padded(text.length))
  const { arena } = connection.out
  const { field } = LOGIN_RESPONSE
  const first = connection.login?.first ?? request
  field.opcode.set(arena, at, Opcode.loginResponse)
  field.transit.set(arena, at, reply.transit ? 1 : 0)
  field.continue.set(arena, at, reply.continues ? 1 : 0)
  if (reply.status === LoginStatus.success) {
    field.csg.set(arena, at, request.csg)
    if (reply.transit) field.nsg.set(arena, at, request.nsg)
    field.statSn.set(arena, at, connection.statSn)
    connection.statSn = (connection.statSn + 1) >>> 0
    const { session } = connection
    field.expCmdSn.set(arena, at, first.cmdSn)
    field.maxCmdSn.set(arena, at, session === null ? (first.cmdSn + room - 1) >>> 0 : session.maxCmdSn())
  }
  field.dataSegmentLength.set(arena, at, text.length)
  field.isid.set(arena, at, Buffer.from(request.isid, 'hex'))
  field.tsih.set(arena, at, tsih === 0 ? request.tsih : tsih)
  field.itt.set(arena, at, request.itt)
  field.statusClass.set(arena, at, reply.status >> 8)
  field.statusDetail.set(arena, at, reply.status & 0xff)
  text.copy(arena, at + 48)
  connection.kick()
}
