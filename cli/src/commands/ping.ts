// SPDX-License-Identifier: Apache-2.0
// `lunkit ping`: the round trip to a target (NOP-Out) and through its unit (TEST UNIT READY).
import { setTimeout as wait } from 'node:timers/promises'
import { connect } from '@lunkit/initiator-driver-iscsi'
import { Command } from 'commander'
import { type ConnectionFlags, connectOptions, withConnection } from '../connection-options.ts'
import { ExitCode } from '../exit-codes.ts'
import { interruptible, printJson } from '../output.ts'
import { UsageError } from '../usage-error.ts'

interface PingFlags extends ConnectionFlags {
  readonly count: string
  readonly interval: string
}

const HELP = `
'target' is how long a NOP-Out takes to the target and back, 'unit' a TEST UNIT READY through it, in milliseconds.

  lunkit ping iscsi://10.0.0.1/iqn.2000-01.org.example:disk/0 -c 10`

export function build(): Command {
  return withConnection(new Command('ping'))
    .addHelpText('after', HELP)
    .argument('<url>', 'the LUN, iscsi://HOST/TARGET/LUN')
    .option('-c, --count <number>', 'how often', '4')
    .option('-i, --interval <seconds>', 'pause between', '0.2')
    .action(ping)
}

async function ping(url: string, flags: PingFlags): Promise<void> {
  const count = Number(flags.count)
  const interval = Number(flags.interval)
  if (!Number.isInteger(count) || count < 1)
    throw new UsageError(
      'OPTION_VALUE',
      `'${flags.count}' is no value for --count`,
      'give a whole number, 1 or more',
    )
  if (!(interval >= 0))
    throw new UsageError('OPTION_VALUE', `'${flags.interval}' is no value for --interval`, 'give seconds')
  const signal = interruptible()
  const disk = await connect(url, { ...(await connectOptions(flags, url)), signal })
  const target: number[] = []
  const unit: number[] = []
  try {
    for (let i = 0; i < count && !signal.aborted; i++) {
      if (i > 0) await wait(interval * 1000, undefined, { signal }).catch(() => undefined)
      target.push(await disk.ping())
      const started = performance.now()
      await disk.testReady()
      unit.push(performance.now() - started)
      if (!flags.json)
        process.stdout.write(
          `${i + 1}: target ${target.at(-1)!.toFixed(2)} ms, unit ${unit.at(-1)!.toFixed(2)} ms\n`,
        )
    }
  } finally {
    await disk.close()
  }
  if (signal.aborted) process.exitCode = ExitCode.interrupted
  const result = { count: unit.length, target: summary(target), unit: summary(unit) }
  if (flags.json) printJson(result)
  else
    process.stdout.write(
      `min / median / max: target ${words(result.target)}, unit ${words(result.unit)} ms\n`,
    )
}

interface Summary {
  readonly min: number
  readonly median: number
  readonly max: number
}

function summary(times: readonly number[]): Summary {
  const sorted = times.toSorted((a, b) => a - b)
  const round = (value: number | undefined): number => Number((value ?? 0).toFixed(3))
  return { min: round(sorted[0]), median: round(sorted[(sorted.length - 1) >> 1]), max: round(sorted.at(-1)) }
}

const words = ({ min, median, max }: Summary): string => `${min} / ${median} / ${max}`
