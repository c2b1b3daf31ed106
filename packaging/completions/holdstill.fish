# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_holdstill_global_optspecs
    string join \n v/verbose h/help V/version
end

function __fish_holdstill_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_holdstill_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_holdstill_using_subcommand
    set -l cmd (__fish_holdstill_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c holdstill -n "__fish_holdstill_needs_command" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_needs_command" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_needs_command" -s V -l version -d 'Print version'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "init" -d 'Look at the machine and write a first configuration'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "config" -d 'Check the configuration, or show what it means'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "backup" -d 'Make one backup'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "audit" -d 'Show what a backup would look at and do, and touch nothing'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "recover" -d 'Settle what dead runs left behind. Safe to run at any time'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "list" -d 'List the backups of the destination'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "prune" -d 'Remove the backups that no rule under [retention] keeps, and tell the reason for each'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "explain" -d 'Explain an aspect of the audit or an exit code; without a name, list them'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "check" -d 'Tell monitoring how the backups are: one line and exit code as a Nagios plugin'
complete -c holdstill -n "__fish_holdstill_using_subcommand init" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand init" -l destination -d 'Where backups go: a directory on another filesystem than the data' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand init" -l option-file -d 'The option file with the account\'s user and password' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand init" -l socket -d 'The server\'s socket, where several servers run' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand init" -l dry-run -d 'Print the configuration, and touch nothing'
complete -c holdstill -n "__fish_holdstill_using_subcommand init" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand init" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and not __fish_seen_subcommand_from check show" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and not __fish_seen_subcommand_from check show" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and not __fish_seen_subcommand_from check show" -f -a "check" -d 'Check it, and what it names as far as that needs no server; touch nothing'
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and not __fish_seen_subcommand_from check show" -f -a "show" -d 'Show every key with its value, its unit and where it comes from'
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and __fish_seen_subcommand_from check" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and __fish_seen_subcommand_from show" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'As JSON: "keys" is a list of section, key, value, unit, origin, line and hidden'
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand backup" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand backup" -l quiet -d 'Say nothing of a success; errors and warnings go to standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand backup" -l lines -d 'Tell every phase and act on a line of its own, with its milliseconds'
complete -c holdstill -n "__fish_holdstill_using_subcommand backup" -l json -d 'Tell everything as JSON, one object a line. The shipped \'json-lines.md\' explains each'
complete -c holdstill -n "__fish_holdstill_using_subcommand backup" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand backup" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand audit" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand audit" -l watch -d 'Look for so long how fast the volumes are written to, and show each second what is known' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand audit" -l json -d 'Print one JSON object instead of a text'
complete -c holdstill -n "__fish_holdstill_using_subcommand audit" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand audit" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand recover" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand recover" -l state-dir -d 'Settle what this directory tells of, and read no configuration at all' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand recover" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand recover" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand list" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand list" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand list" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand prune" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand prune" -l dry-run -d 'Show what would be removed and what kept, and touch nothing, not even the run lock'
complete -c holdstill -n "__fish_holdstill_using_subcommand prune" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand prune" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand explain" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand explain" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -l age-warning -d 'Warn if the newest backup is older' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -l age-critical -d 'Alarm if the newest backup is older' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -l locked-ms-warning -d 'Warn if writes were stopped for longer' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -l locked-ms-critical -d 'Alarm if writes were stopped for longer' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -s h -l help -d 'Print help'
