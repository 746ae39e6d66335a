// SPDX-License-Identifier: Apache-2.0
// The last word on a login: it enters its session, is sent elsewhere, or comes at a time when nobody is let in.
//
// A redirect comes here, behind authentication: an initiator that has not proved itself learns no address, and every
// initiator must follow one at that point (RFC 7143, 11.13.5). A connection that joins a session stays with it.
import { encodeText, LoginStatus } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { enterSession, refuseLogin } from '../enter-session.ts'
import type { Login, LoginReply, LoginRequest } from '../login/login.ts'
import { refusal, sendLoginResponse } from '../outbound/login-response.ts'
import type { Moved } from './redirect.ts'

export function admitLogin(
  connection: Connection,
  login: Login,
  request: LoginRequest,
  reply: LoginReply,
): void {
  const { control } = connection.port
  if (login.target === null || login.first!.tsih !== 0 || !control.mayMove(login.target.name)) {
    enterUnlessClosed(connection, login, request, reply)
    return
  }
  const settle = (moved: Moved | null): void => {
    if (moved === null) enterUnlessClosed(connection, login, request, reply)
    else redirect(connection, request, moved)
  }
  const fail = (error: unknown): void => {
    const reason = `The decision where to log in failed: ${error instanceof Error ? error.message : String(error)}`
    refuseLogin(connection, request, LoginStatus.targetError, reason)
  }
  let moved: Moved | null | Promise<Moved | null>
  try {
    moved = control.movedFor({
      target: login.target.name,
      initiator: login.initiator,
      isid: request.isid,
      address: connection.address,
      localAddress: connection.localAddress,
      tag: connection.port.settings.tpgt,
    })
  } catch (error) {
    fail(error)
    return
  }
  if (!(moved instanceof Promise)) {
    settle(moved)
    return
  }
  // Its login limit goes on meanwhile, and may end the connection.
  connection.halt()
  const late = (act: () => void): void => {
    if (!connection.over) connection.resumeAfter(act)
  }
  void moved.then(
    result => late(() => settle(result)),
    error => late(() => fail(error)),
  )
}

function enterUnlessClosed(
  connection: Connection,
  login: Login,
  request: LoginRequest,
  reply: LoginReply,
): void {
  const { port } = connection
  if (port.stopping || port.control.isClosed(login.target?.name ?? ''))
    refuseLogin(connection, request, LoginStatus.serviceUnavailable, 'Target lets nobody in any more')
  else enterSession(connection, login, request, reply)
}

function redirect(connection: Connection, request: LoginRequest, { status, addresses }: Moved): void {
  connection.port.observe({
    type: 'login-redirected',
    target: connection.login!.target!.name,
    initiator: connection.initiator,
    address: connection.address,
    to: addresses,
    permanent: status === LoginStatus.targetMovedPermanently,
  })
  connection.port.watch.counters.redirected++
  const text = Buffer.from(encodeText(addresses.map(value => ({ key: 'TargetAddress', value }))))
  sendLoginResponse(connection, request, refusal(status, text), 0, 0)
  connection.step('loginFailed')
  void connection.end('fault', true)
}
