// SPDX-License-Identifier: Apache-2.0
// The plug-in `nbd`: an export of an NBD server, such as qemu-nbd and nbdkit, as a unit.
import { readFile } from 'node:fs/promises'
import { fileTrouble, OperatorError, type ParameterValues, type StoreType } from '@lunkit/target-api'
import { openExport } from './handshake.ts'
import { NbdStore } from './nbd-store.ts'
import { parseUri, placeOf } from './uri.ts'
import type { NbdTls } from './wire.ts'

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
      help: 'Connections, where the server shares its cache among several',
      initial: 4,
      least: 1,
      most: 16,
    },
    timeout: {
      type: 'integer',
      help: 'Seconds that the server may take for a request',
      initial: 20,
      least: 1,
      most: 3600,
    },
    wait: {
      type: 'integer',
      help: 'Seconds that requests wait for a server that is away',
      initial: 20,
      least: 0,
      most: 1_000_000,
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
    const timeoutMs = Number(values['timeout']) * 1000
    const tls = await readTls(place.uri, place.tls, values)
    const opened = await openExport(place, tls, Math.min(OPEN_MS, timeoutMs))
    const options = {
      place,
      tls,
      connections: Number(values['connections']),
      timeoutMs,
      waitMs: Number(values['wait']) * 1000,
      readonly: values['readonly'] === true,
    }
    return new NbdStore(options, opened)
  },
}

/** Read once: connections that are made later use what the first one was checked with. */
async function readTls(uri: string, wanted: boolean, values: ParameterValues): Promise<NbdTls> {
  const named = (['tls-ca', 'tls-cert', 'tls-key'] as const).filter(key => values[key] !== undefined)
  if (!wanted && named.length > 0) {
    throw new OperatorError('NBD_KEYS', `'${uri}' does without TLS, but has ${named.join(', ')}`, {
      hint: 'write nbds:// for TLS',
    })
  }
  if (named.includes('tls-cert') !== named.includes('tls-key')) {
    throw new OperatorError('NBD_KEYS', `'${uri}' has half of a certificate and its key`, {
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
    const why = fileTrouble(error)
    throw new OperatorError(
      'FILE_MISSING',
      `The file '${path}' of ${key} for '${uri}' cannot be read: ${why}`,
      {
        hint: `name a PEM file with ${key}=`,
        cause: error,
      },
    )
  }
}
