// SPDX-License-Identifier: Apache-2.0
// The keys of everything that has a handler behind it, and what they are to the link.
import { realpath } from 'node:fs/promises'
import type { Hold, ParameterTable, ParameterValues } from '@lunkit/target-api'
import type { LinkOptions } from './link.ts'

export const WAYS = {
  socket: { type: 'path', help: 'Unix socket on which the handler listens', required: true, argument: true },
  unit: { type: 'string', help: 'Which of its units, for a handler that has several', initial: '' },
  timeout: {
    type: 'integer',
    help: 'Seconds that the handler may take for a request; then it is given up (0: for ever)',
    initial: 30,
    least: 0,
    most: 1_000_000,
  },
  wait: {
    type: 'integer',
    help: 'Seconds that requests wait for a handler that is away',
    initial: 10,
    least: 0,
    most: 1_000_000,
  },
  shared: { type: 'boolean', help: 'Pass data by a file in memory where both can', initial: true },
} as const satisfies ParameterTable

export const linkOptions = (values: ParameterValues, level: LinkOptions['level']): LinkOptions => ({
  path: String(values['socket']),
  unit: String(values['unit'] ?? ''),
  level,
  timeoutMs: Number(values['timeout'] ?? WAYS.timeout.initial) * 1000,
  waitMs: Number(values['wait'] ?? WAYS.wait.initial) * 1000,
  share: values['shared'] !== false,
})

/** How it is called in messages, and known from others. */
export const nameOf = ({ path, unit }: LinkOptions): string => (unit === '' ? path : `${path}#${unit}`)

/** A second connection would take the place of the first, and the first that of the second, without end. */
export async function holdOf({ socket, unit }: ParameterValues): Promise<Hold> {
  const path = await realpath(String(socket)).catch(() => String(socket))
  return { name: `handler:${path}#${unit ?? ''}`, shared: false }
}
