// SPDX-License-Identifier: Apache-2.0
// Options of `lunkit serve` that say who may see and use what: accounts, lists, and what they come to as rules.
import type { AccessAccount, AccessRule, Chap } from '@lunkit/target-driver-iscsi'
import type { Command } from 'commander'
import { readAccessFile } from './access-file.ts'
import { readAccounts } from './accounts.ts'
import type { AccessSettings } from './target-face/access.ts'
import { UsageError } from './usage-error.ts'

export interface AccessFlags {
  readonly chapUser?: string[]
  readonly chapSecretFile?: string[]
  readonly chapFile?: string
  readonly mutualUser?: string
  readonly mutualSecretFile?: string
  readonly discoveryChapFile?: string
  readonly initiator?: string[]
  readonly allowAddress?: string[]
  readonly trustAddress?: string[]
  readonly readOnly?: string[]
  readonly readOnlyUser?: string[]
  readonly accessFile?: string
}

export const ACCESS_HELP = `Who may log in: --initiator, --allow-address and CHAP all have to let somebody in; where one is not given, it lets in all.
--read-only names initiators that may read and not write; with --initiator they come besides those, without it all others
may write. A '!' before a name or an address takes it out: --initiator '*' --initiator '!iqn.*:guest'. From a --trust-address no CHAP
is asked. What needs more than that is in an --access-file, as JSON: rules in their order, LUNs by group. SIGUSR2 has both files
read again; who may no longer be there is logged out. --explain NAME tells what an initiator would get, and why, and ends.`

const collect = (value: string, all: string[] = []): string[] => [...all, value]

export function withAccess(command: Command): Command {
  return command
    .option('--chap-user <name>', 'initiators must log in as this user; repeatable', collect)
    .option('--chap-secret-file <path>', 'their secret; one for each user, in their order', collect)
    .option('--chap-file <path>', 'or as one of these users: USER:SECRET lines, readable by you alone')
    .option('--mutual-user <name>', 'the target proves itself as this user')
    .option('--mutual-secret-file <path>', 'its secret')
    .option('--discovery-chap-file <path>', 'discovery needs one of these users')
    .option('--initiator <name>', 'only this initiator may log in; repeatable, * and ? match', collect)
    .option('--allow-address <address>', 'only from this address or subnet; repeatable', collect)
    .option('--trust-address <address>', 'without CHAP from this address or subnet; repeatable', collect)
    .option('--read-only <name>', 'this initiator may read and not write; repeatable, * and ? match', collect)
    .option('--read-only-user <name>', 'this CHAP user may read and not write; repeatable', collect)
    .option('--access-file <path>', 'rules and groups instead of these lists, as JSON')
    .option('--explain <initiator>', 'tell what this initiator would see, and why, and end')
    .option('--explain-address <address>', 'coming from there (127.0.0.1)')
    .option('--explain-portal <address>', 'to this portal, HOST[:PORT][,TAG] (each)')
    .option('--explain-user <name>', 'as this CHAP user (each)')
}

/** Settings of the flags and of the files that they name, which are read now. Rejects with UsageError. */
export async function readAccess(flags: AccessFlags): Promise<AccessSettings> {
  const accounts = withReaders(await readAccounts(flags), flags.readOnlyUser ?? [])
  const discovery = await readDiscovery(flags)
  const rules = flags.accessFile === undefined ? rulesOf(flags, accounts.length > 0) : await fromFile(flags)
  return {
    ...rules,
    ...(accounts.length > 0 && { chap: accounts }),
    ...(discovery !== null && { discoveryChap: discovery }),
  }
}

/** Whether there is anything to read again. */
export const readsFiles = ({
  chapFile,
  accessFile,
  discoveryChapFile,
  chapSecretFile,
}: AccessFlags): boolean => (chapFile ?? accessFile ?? discoveryChapFile ?? chapSecretFile) !== undefined

async function readDiscovery({ discoveryChapFile: path, ...flags }: AccessFlags): Promise<Chap[] | null> {
  if (path === undefined) return null
  const { mutualUser, mutualSecretFile } = flags
  const mutual = mutualUser === undefined ? {} : { mutualUser, ...(mutualSecretFile && { mutualSecretFile }) }
  return readAccounts({ chapFile: path, ...mutual })
}

function withReaders(accounts: readonly Chap[], readers: readonly string[]): AccessAccount[] {
  const unknown = readers.find(name => !accounts.some(({ user }) => user === name))
  if (unknown !== undefined) {
    throw new UsageError(
      'CHAP_USER',
      `--read-only-user ${unknown} is no CHAP user`,
      'users are those of --chap-user and --chap-file',
    )
  }
  return accounts.map(one => (readers.includes(one.user) ? { ...one, readonly: true } : one))
}

/** Flags that say what an access file says. */
const LISTS = [
  ['initiator', '--initiator'],
  ['allowAddress', '--allow-address'],
  ['trustAddress', '--trust-address'],
  ['readOnly', '--read-only'],
] as const

function fromFile(flags: AccessFlags): Promise<AccessSettings> {
  const both = LISTS.find(([flag]) => flags[flag] !== undefined)
  if (both !== undefined) {
    throw new UsageError(
      'OPTION_VALUE',
      `${both[1]} and --access-file both say who may log in`,
      'write it into the file',
    )
  }
  return readAccessFile(flags.accessFile!)
}

/** Lists alone where they are enough; else a rule for each kind of initiators, the more particular ones first. */
function rulesOf(flags: AccessFlags, hasAccounts: boolean): AccessSettings {
  const { initiator: initiators, allowAddress: addresses, trustAddress, readOnly } = flags
  if (trustAddress !== undefined && !hasAccounts) {
    throw new UsageError(
      'OPTION_VALUE',
      '--trust-address says nothing where nobody is asked for CHAP',
      'give --allow-address, or CHAP for the others',
    )
  }
  const listed = { ...(initiators && { initiators }), ...(addresses && { addresses }) }
  if (readOnly === undefined && trustAddress === undefined) return listed
  const kinds: AccessRule[] = [
    ...(readOnly === undefined ? [] : [{ name: 'read-only', initiators: readOnly, readonly: true }]),
    { name: readOnly === undefined ? 'listed' : 'read and write', ...(initiators && { initiators }) },
  ]
  const trusted = kinds.map(
    (kind): AccessRule => ({
      ...kind,
      name: `trusted, ${kind.name}`,
      addresses: trustAddress ?? [],
      chap: 'none',
    }),
  )
  const others = kinds.map((kind): AccessRule => ({ ...kind, ...(addresses && { addresses }) }))
  return { rules: [...(trustAddress === undefined ? [] : trusted), ...others] }
}
