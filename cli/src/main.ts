#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The `lunkit` command: finds the sub-command, loads its file and no other, and turns errors into exit codes.
import { Command } from 'commander'
import { reportError } from './exit.ts'
import { EXIT_HELP, ExitCode } from './exit-codes.ts'
import { UsageError } from './usage-error.ts'

/** Each sub-command is a file in commands/ that exports `build(): Command`. */
const COMMANDS = {
  serve: {
    summary: 'serve images, devices and storage of any other kind over iSCSI',
    load: () => import('./commands/serve.ts'),
  },
  run: {
    summary: 'serve several targets that a file describes',
    load: () => import('./commands/run.ts'),
  },
  control: {
    summary: 'tell a running target to change something',
    load: () => import('./commands/control.ts'),
  },
  state: {
    summary: 'show and repair what units keep between runs',
    load: () => import('./commands/state.ts'),
  },
  devices: {
    summary: 'list the SCSI devices here that can be passed through',
    load: () => import('./commands/devices.ts'),
  },
  ls: { summary: 'list the targets of a portal and their LUNs', load: () => import('./commands/ls.ts') },
  info: { summary: 'show what a LUN says of itself', load: () => import('./commands/info.ts') },
  read: { summary: 'read a LUN into a file or to standard output', load: () => import('./commands/read.ts') },
  write: { summary: 'write a file or standard input to a LUN', load: () => import('./commands/write.ts') },
  copy: { summary: 'copy between LUNs and files', load: () => import('./commands/copy.ts') },
  ping: { summary: 'measure the round trip to a LUN', load: () => import('./commands/ping.ts') },
  secret: { summary: 'make a CHAP secret', load: () => import('./commands/secret.ts') },
} as const

/** What `lunkit run` starts its processes as; for nobody else. */
const WORKER = 'run-worker'

const EXAMPLES = `
Examples:
  lunkit serve disk.img                         serve an image on 127.0.0.1:3260
  lunkit serve new.img,size=10G memory:256M     two LUNs, the first created
  lunkit run targets.yaml --processes 4         several targets, over several processes
  lunkit ls iscsi://127.0.0.1                   what is there
  lunkit copy iscsi://127.0.0.1/IQN/0 out.img   take a LUN home

'lunkit help COMMAND' tells more, and 'lunkit help KIND' what can be said of one kind of storage, such as qcow2 or overlay.

${EXIT_HELP}`

/**
 * Who read our output may stop to (`| head`). Commands that move data fail by their own write; a target goes on
 * serving without anybody to tell.
 */
function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') process.exitCode = ExitCode.failed
    })
  }
}

/** Help on what is no command: a kind of storage. */
async function helpOn(topic: string): Promise<void> {
  // It comes with the command that takes LUNs: a file of its own would cost each start of a target one more.
  const { kindHelp, KINDS } = await COMMANDS.serve.load()
  const page = await kindHelp(topic)
  if (page === null) {
    const known = `${Object.keys(COMMANDS).join(', ')}; kinds of storage: ${KINDS.join(', ')}`
    throw new UsageError('HELP_TOPIC', `There is no help on '${topic}'`, `commands: ${known}`)
  }
  process.stdout.write(page)
}

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('lunkit')
    .description('Serve any storage as SCSI disks, and use those of others')
    .version('0.1.0')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError("(see 'lunkit --help')")
  const words = argv.slice(2)
  const [first, topic] = words
  const isCommand = topic === undefined || topic === 'help' || Object.hasOwn(COMMANDS, topic)
  if (first === 'help' && !isCommand) return helpOn(topic)
  const wanted = words.find(word => !word.startsWith('-') && word !== 'help')
  program.exitOverride()
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const built = name === wanted ? (await load()).build() : new Command(name)
    program.addCommand(
      built
        .copyInheritedSettings(program)
        .showHelpAfterError(`(see 'lunkit help ${name}')`)
        .description(summary),
    )
  }
  await program.parseAsync([...argv])
}

// libuv looks at it when the first call goes to a thread: four would be few for files whose bytes are on a disk.
process.env['UV_THREADPOOL_SIZE'] ??= '16'
tolerateClosedPipes()
if (process.argv[2] === WORKER && process.connected) import('./run/worker.ts').catch(reportError)
else main(process.argv).catch(reportError)
