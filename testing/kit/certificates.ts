// SPDX-License-Identifier: Apache-2.0
// Certificates made for a test, by the openssl command: an authority, and what it signs.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** PEM. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

export interface PairWish {
  /** Common name. */
  readonly name: string
  /** Alternative names as openssl takes them: `DNS:disk.example,URI:urn:x`. */
  readonly alternative?: string
  /** Validity from now; below 0 it is over. */
  readonly days?: number
}

/** An authority with a folder of its own until `dispose`. */
export class Authority {
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'lunkit-ca-'))
  #count = 0
  /** Its own certificate, PEM. */
  readonly cert: string

  constructor(name = 'Test authority') {
    const signed = ['-signkey', this.#path('ca.key')]
    this.cert = this.#make('ca', name, ['basicConstraints=critical,CA:TRUE'], signed, 2).cert
  }

  issue({ name, alternative, days = 2 }: PairWish): Pair {
    const file = `pair-${this.#count++}`
    const extensions = ['basicConstraints=critical,CA:FALSE']
    if (alternative !== undefined) extensions.push(`subjectAltName=${alternative}`)
    const signed = ['-CA', this.#path('ca.pem'), '-CAkey', this.#path('ca.key'), '-CAcreateserial']
    return this.#make(file, name, extensions, signed, days)
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #path(file: string): string {
    return join(this.#folder, file)
  }

  #make(
    file: string,
    name: string,
    extensions: readonly string[],
    signed: readonly string[],
    days: number,
  ): Pair {
    const key = this.#path(`${file}.key`)
    const cert = this.#path(`${file}.pem`)
    const request = this.#path(`${file}.csr`)
    const extra = this.#path(`${file}.ext`)
    writeFileSync(extra, `${extensions.join('\n')}\n`)
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key]
    run('req', '-new', ...curve, '-subj', `/CN=${name}`, '-out', request)
    run('x509', '-req', '-in', request, ...signed, '-days', String(days), '-extfile', extra, '-out', cert)
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  }
}

const run = (...words: string[]): void => {
  execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] })
}
