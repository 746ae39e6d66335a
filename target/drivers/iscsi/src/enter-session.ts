// SPDX-License-Identifier: Apache-2.0
// The end of a login: a new session that perhaps replaces an older one, or one more connection of a session.
import { LoginStatus, loginStatusText, ProtocolId, VersionDescriptor, writeTransportId } from '@lunkit/spec'
import type { Connection } from './connection.ts'
import { crowd } from './defence/session-counts.ts'
import { endTasksOf } from './end-tasks.ts'
import { LOGIN_DATA_BYTES, type Login, type LoginReply, type LoginRequest } from './login/login.ts'
import { refusal, sendLoginResponse } from './outbound/login-response.ts'
import { Session } from './session.ts'
import { within } from './time-limit.ts'

/** Refuses the login with a status, perhaps with keys that are answered in it, tells the observer, and ends the connection. */
export function refuseLogin(
  connection: Connection,
  request: LoginRequest,
  status: number,
  reason: string,
  text?: Buffer,
): void {
  connection.port.observe({
    type: 'login-failed',
    target: connection.login?.targetName ?? '',
    initiator: connection.initiator,
    address: connection.address,
    reason,
  })
  connection.port.watch.counters.fail(loginStatusText(status))
  connection.port.door.refused(connection.peer, status)
  sendLoginResponse(connection, request, refusal(status, text), 0, 0)
  connection.step('loginFailed')
  void connection.end('fault', true)
}

/** Login is through: an older session of this initiator port makes room first, then the last response goes out. */
export function enterSession(
  connection: Connection,
  login: Login,
  request: LoginRequest,
  reply: LoginReply,
): void {
  const { port } = connection
  const { isid, tsih } = login.first!
  if (tsih !== 0) {
    const session = port.table.find(login.initiator, isid, tsih)
    if (session === null) {
      refuseLogin(connection, request, LoginStatus.sessionDoesNotExist, 'The session has ended meanwhile')
      return
    }
    joinOrReplace(connection, login, request, reply, session)
    return
  }
  const waiting = port.table.claim(connection, login)
  if (waiting === null) {
    establish(connection, login, request, reply)
    return
  }
  connection.halt()
  void waiting.then(free => {
    if (connection.over) return
    if (free) establish(connection, login, request, reply)
    else
      refuseLogin(
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
  const crowded = crowd(port.sessions.values(), port.settings.limits, login.initiator, login.target)
  if (crowded !== null) {
    refuseLogin(connection, request, LoginStatus.outOfResources, crowded)
    return
  }
  const tsih = port.table.newTsih(login.target === null)
  if (tsih === 0) {
    refuseLogin(connection, request, LoginStatus.outOfResources, 'There are too many sessions')
    return
  }
  const identity = { initiator: login.initiator, isid: request.isid, tsih }
  const session = new Session(
    connection,
    identity,
    login.target,
    login.parameters,
    login.settled,
    login.first!.cmdSn,
    login.admission,
  )
  if (login.target !== null) {
    const { initiator, admission } = login
    const transportId = writeTransportId({
      protocol: ProtocolId.iscsi,
      name: initiator,
      isid: request.isid,
    })
    // RFC 7144, 4: the level that was agreed on is part of it.
    const version = VersionDescriptor.iscsi + session.parameters.protocolLevel
    const initiatorPort = { name: initiator, port: request.isid, transportId, version }
    session.nexus = port.engine.openNexus(port, login.target, initiatorPort, admission.view)
    session.nexus.driverData = session
  }
  port.table.admit(session)
  join(connection, login, request, reply, session)
}

/** The connection is one of the session's from now on. */
function join(
  connection: Connection,
  login: Login,
  request: LoginRequest,
  reply: LoginReply,
  session: Session,
): void {
  const { port } = connection
  connection.cid = request.cid
  connection.user = login.user
  if (request.tsih !== 0) port.watch.counters.joined++
  port.admit(connection)
  if (login.proved) port.door.proved(connection.peer)
  session.join(connection)
  // A login is a logout for recovery of the connection that had its CID (RFC 7143, 6.3.4).
  if (session.recovery?.level === 2) session.recovery.release(request.cid)
  connection.step('loginDone')
  sendLoginResponse(connection, request, reply, session.identity.tsih, 1)
  connection.acknowledged = connection.statSn
  // Digests begin behind this response.
  connection.adopt(login.connectionParameters)
  connection.framer.maxData = login.declared
    ? port.settings.limits.maxRecvDataSegmentLength
    : LOGIN_DATA_BYTES
}

function joinOrReplace(
  connection: Connection,
  login: Login,
  request: LoginRequest,
  reply: LoginReply,
  session: Session,
): void {
  const { connections, parameters } = session
  const old = connections.get(request.cid)
  if (old !== undefined) void reinstate(connection, login, request, reply, session, old)
  else if (connections.size < parameters.maxConnections) join(connection, login, request, reply, session)
  else refuseLogin(connection, request, LoginStatus.tooManyConnections, 'Session has all its connections')
}

/** Takes the place of a connection with the same CID, which is thereby logged out (RFC 7143, 6.3.4). */
async function reinstate(
  connection: Connection,
  login: Login,
  request: LoginRequest,
  reply: LoginReply,
  session: Session,
  old: Connection,
): Promise<void> {
  session.reconnects++
  connection.port.watch.counters.reconnects++
  old.replaced = true
  if (session.recovery?.level === 2) {
    // The commands wait until they are taken over.
    void old.end('replaced')
    join(connection, login, request, reply, session)
    return
  }
  connection.halt()
  old.loggedOut = true
  session.window.forget(old)
  old.halt()
  const { replaceTimeoutMs } = connection.port.settings.limits
  const clean = await within(endTasksOf(session, old), replaceTimeoutMs)
  void old.end('replaced')
  if (connection.over) {
    // Nobody has taken its place after all.
    if (session.connections.size === 0) void session.end('lost')
    return
  }
  if (session.ended || session.draining !== null) {
    refuseLogin(connection, request, LoginStatus.sessionDoesNotExist, 'The session has ended meanwhile')
  } else if (!clean) {
    refuseLogin(
      connection,
      request,
      LoginStatus.serviceUnavailable,
      'The connection to replace has tasks that do not end',
    )
    if (session.connections.size === 0) void session.end('lost')
  } else connection.resumeAfter(() => joinOrReplace(connection, login, request, reply, session))
}
