// SPDX-License-Identifier: Apache-2.0
// The plug-in `nbd`: an export of an NBD server, such as qemu-nbd and nbdkit, as a unit.
import { readFile } from 'node:fs/promises'
import { OperatorError, type ParameterValues, type StoreType } from '@lunkit/target-api'
import { openExport } from './handshake.ts'
import { NbdStore } from './nbd-store.ts'
import { parseUri, placeOf } from './uri.ts'
import type { NbdTls } from './wire.ts'

const MOST_CONNECTIONS = 16
/** For the first handshake: an operator waits for it. */
const OPEN_MS = 10_000

export const store: StoreType = {
  apiVersion: 1,
  name: 'nbd',
  parameters: {
    uri: {
      type: 'string',
      help: 'Where the export is: nbd://HOST:PORT/EXPORT, nbds:// for TLS, nbd+unix:///EXPORT?socket=PATH',
      required: true,
      argument: true,
    },
    connections: {
      type: 'integer',
      help: 'Connections, where the server shares its cache among several: 1 to 16',
      initial: 4,
    },
    timeout: {
      type: 'integer',
      help: 'Seconds that a command waits for a server that is away or silent',
      initial: 20,
    },
    'tls-ca': { type: 'path', help: "Who signs the server's certificate, PEM (the system's if not given)" },
    'tls-cert': { type: 'path', help: 'Certificate that the server is shown, PEM' },
    'tls-key': { type: 'path', help: 'Its private key, PEM' },
    readonly: { type: 'boolean', help: 'Refuse every write', initial: false },
  },
  hold: async values => ({
    name: await placeOf(parseUri(String(values['uri']))),
    shared: values['readonly'] === true,
  }),
  open: async values => {
    const place = parseUri(String(values['uri']))
    const connections = within('connections', Number(values['connections']), MOST_CONNECTIONS)
    const patienceMs = within('timeout', Number(values['timeout']), 3600) * 1000
    const tls = await readTls(place.uri, place.tls, values)
    const opened = await openExport(place, tls, Math.min(OPEN_MS, patienceMs))
    return new NbdStore(
      { place, tls, connections, patienceMs, readonly: values['readonly'] === true },
      opened,
    )
  },
}

function within(key: string, value: number, most: number): number {
  if (value >= 1 && value <= most) return value
  throw new OperatorError('PARAMETER_VALUE', `nbd: '${value}' is no value for '${key}'`, {
    hint: `give 1 to ${most}`,
  })
}

/** Read once: connections that are made later use what the first one was checked with. */
async function readTls(uri: string, wanted: boolean, values: ParameterValues): Promise<NbdTls> {
  const named = (['tls-ca', 'tls-cert', 'tls-key'] as const).filter(key => values[key] !== undefined)
  if (!wanted && named.length > 0) {
    throw new OperatorError('NBD_TLS', `'${uri}' does without TLS, but has ${named.join(', ')}`, {
      hint: 'write nbds:// for TLS',
    })
  }
  if (named.includes('tls-cert') !== named.includes('tls-key')) {
    throw new OperatorError('NBD_TLS', `'${uri}' has half of a certificate and its key`, {
      hint: 'give both tls-cert and tls-key',
    })
  }
  const tls: Record<string, string> = {}
  for (const key of named) tls[key.slice('tls-'.length)] = await readPem(uri, key, String(values[key]))
  return tls
}

async function readPem(uri: string, key: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1')
  } catch (error) {
    throw new OperatorError('FILE_MISSING', `The file '${path}' of ${key} for '${uri}' cannot be read`, {
      hint: 'it must be a file that you may read',
      cause: error,
    })
  }
}
