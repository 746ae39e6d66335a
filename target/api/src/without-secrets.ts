// SPDX-License-Identifier: Apache-2.0
// What an operator wrote, made fit for messages and logs: secrets that should not have been in it are left out.
const LEFT_OUT = '***'
/** Also one with characters that should have been encoded; a port is none. */
const PASSWORD = /(\/\/[^\s:/?#@]*:)(?!\d+(?:[/?#,]|$))\S*(?=@)/g
/** In a query to its next part; behind a comma to the next key, since the secret itself may have commas. */
const NAMES = String.raw`[\w.-]*(?:secret|passw|passphrase|token|psk|key)[\w.-]*=`
const IN_QUERY = new RegExp(`([?&]${NAMES})(?:(?!,[\\w.-]+=)[^&])+`, 'gi')
const IN_KEYS = new RegExp(`((?:^|,)${NAMES})(?:(?!,[\\w.-]+=)[^])+`, 'gi')

/** The text with `***` for passwords in URIs and for values of keys that are named like secrets. */
export function withoutSecrets(text: string): string {
  return text
    .replaceAll(PASSWORD, `$1${LEFT_OUT}`)
    .replaceAll(IN_KEYS, `$1${LEFT_OUT}`)
    .replaceAll(IN_QUERY, `$1${LEFT_OUT}`)
}
