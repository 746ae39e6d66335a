// SPDX-License-Identifier: Apache-2.0
// Runs one guest script by hand: run.ts [--env NAME=VALUE]... [--relay PORT] [--timeout SECONDS] [--kernel-log] SCRIPT
import { parseArgs } from 'node:util'
import { Relay } from './relay.ts'
import { available, runInGuest } from './vm.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    env: { type: 'string', multiple: true, default: [] },
    relay: { type: 'string' },
    timeout: { type: 'string', default: '120' },
    'kernel-log': { type: 'boolean' },
  },
})
const [script] = positionals
if (script === undefined) throw new Error('Give the path of a guest script')
const can = available()
if (!can.ok) throw new Error(`This machine lacks ${can.missing}`)

const relay = values.relay === undefined ? undefined : await Relay.start(Number(values.relay))
const env = Object.fromEntries(
  values.env.map(pair => [pair.split('=', 1)[0], pair.slice(pair.indexOf('=') + 1)]),
)
const result = await runInGuest({
  script,
  env,
  ...(relay && { relay }),
  timeoutSeconds: Number(values.timeout),
  onOutput: text => process.stdout.write(text),
})
if (values['kernel-log']) process.stderr.write(result.kernelLog)
await relay?.[Symbol.asyncDispose]()
process.exitCode = result.status
