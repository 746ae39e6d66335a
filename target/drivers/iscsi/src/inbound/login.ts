// SPDX-License-Identifier: Apache-2.0
// Login requests of one connection: from header to the login's rows and back.
import { BHS, LOGIN_REQUEST, LoginStatus, loginStatusText, Opcode } from '@lunkit/spec'
import { arrivalOf } from '../access/facts.ts'
import type { Connection } from '../connection.ts'
import { admitLogin } from '../control/admission.ts'
import { refuseLogin } from '../enter-session.ts'
import { Login, type LoginRequest } from '../login/login.ts'
import { refusal, sendLoginResponse } from '../outbound/login-response.ts'

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
    connection.login = new Login(connection.port, arrivalOf(connection))
    connection.statSn = fields.expStatSn.get(header, at)
    connection.step('loginRequest')
  }
  const { login } = connection
  const request = readRequest(header, at, data)
  const reply = login.receive(request)
  if (connection.port.control.rehearsals.swallows(connection, request)) return
  if (reply.status !== LoginStatus.success) {
    refuseLogin(connection, request, reply.status, reply.failure, reply.text)
    return
  }
  if (login.complete) admitLogin(connection, login, request, reply)
  // The numbers of a session that a connection may join are told when it has joined: those before, of which MaxCmdSN is too
  // low for ExpCmdSN, the initiator leaves alone (RFC 7143, 4.2.2.1). Its own CmdSN would acknowledge what never came.
  else sendLoginResponse(connection, request, reply, 0, login.first!.tsih === 0 ? 1 : -1)
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
  connection.port.watch.counters.fail(loginStatusText(LoginStatus.invalidDuringLogin))
  connection.fatal(header, at, 'PDU came before the end of login')
}
