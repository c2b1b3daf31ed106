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
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "list" -d 'List the backups of the destination and what is known of each, the newest last'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "show" -d 'Show everything that is known of one backup'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "report" -d 'Write one page about the backups and the runs for a browser: HTML that needs nothing else'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "prune" -d 'Remove the backups that no rule under [retention] keeps, and tell the reason for each'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "push" -d 'Send a backup to the places under [[offsite]], and compare it there'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "fetch" -d 'Bring a backup back from a place under [[offsite]], and read it whole'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "restore" -d 'Make a data directory of a backup again, read it back, and tell how it becomes a replica'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "verify" -d 'Read backups whole and hold them against their manifests'
complete -c holdstill -n "__fish_holdstill_needs_command" -f -a "drill" -d 'Prove a backup: start a private server on a throw-away copy of it, and check what it finds'
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
complete -c holdstill -n "__fish_holdstill_using_subcommand backup" -l drill -d 'Prove the backup once it is published: a private server starts on a throw-away copy of it. If it finds something wrong the exit code is 8, and no old backup is removed'
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
complete -c holdstill -n "__fish_holdstill_using_subcommand list" -l at -d 'What is at this place under [[offsite]] instead' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand list" -l json -d 'Print a JSON array instead of a table'
complete -c holdstill -n "__fish_holdstill_using_subcommand list" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand list" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand show" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand show" -l json -d 'Print one JSON object instead of a text'
complete -c holdstill -n "__fish_holdstill_using_subcommand show" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand show" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand report" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand report" -s o -l output -d 'Write the page into this file, for its owner alone, instead of to standard output' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand report" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand report" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand prune" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand prune" -l at -d 'At this place under [[offsite]] instead, by the rules of that place' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand prune" -l dry-run -d 'Show what would be removed and what kept, and touch nothing, not even the run lock'
complete -c holdstill -n "__fish_holdstill_using_subcommand prune" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand prune" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand push" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand push" -l to -d 'Only to this place of the configuration; to all of them if none is named' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand push" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand push" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand fetch" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand fetch" -l from -d 'From this place of the configuration; it may be left out where there is one alone' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand fetch" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand fetch" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l to -d 'What becomes the data directory: an empty directory, or one that is not there yet' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l tree -d 'Where another directory of the backup goes, such as \'tree.2=/srv/undo\'. Repeatable' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l without -d 'Leave out a directory of the backup, such as \'tree.2\'. Repeatable' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l owner -d 'Give all files to this user, by name or number; as in the backup if left out' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l table -d 'Take one table of InnoDB out, as \'database.table\': a private server recovers a throw-away copy, and its files come into DIR, with what another server is to be told to import them' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l write-statements -d 'Write the statements that make it a replica to a new file, instead of printing them' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l source-login -d 'The account on the source, and its host if the backup is of the source: an option file of root\'s alone with \'user\', \'password\', \'host\' and \'port\' below [client]' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l keep-uuid -d 'Restore auto.cnf, too: the server that was backed up is gone and this one takes its place'
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l damaged -d 'Restore a damaged or unproven backup, and tell what is damaged'
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l prepare -d 'Have a private server do the recovery and shut it down, so that the next one starts at once'
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l apply -d 'Have that server told whose replica it is, too; replication is not started. Implies \'--prepare\''
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l dry-run -d 'Show what would be restored and where to, and touch nothing'
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -l json -d 'Print one JSON object instead of a text'
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand restore" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand verify" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand verify" -l sample -d 'Read a share of the files: so many percent (\'10%\') or about so many files (\'500\'), others each day until all were read. Everything but the content is looked at of all' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand verify" -l at -d 'At this place under [[offsite]] instead: a host is compared with what is here, byte by byte; a repository is checked by its own sums, all or a share of its data, and the backup in it by its manifest' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand verify" -l all -d 'Every backup of the destination, oldest first'
complete -c holdstill -n "__fish_holdstill_using_subcommand verify" -l json -d 'Print one JSON object a backup, on a line of its own'
complete -c holdstill -n "__fish_holdstill_using_subcommand verify" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand verify" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand drill" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand drill" -l json -d 'Tell everything as JSON, one object a line. The shipped \'json-lines.md\' explains each'
complete -c holdstill -n "__fish_holdstill_using_subcommand drill" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand drill" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand explain" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand explain" -s h -l help -d 'Print help'
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -s c -l config -d 'The configuration file' -r -F
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -l age-warning -d 'Warn if the newest backup is older' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -l age-critical -d 'Alarm if the newest backup is older' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -l locked-ms-warning -d 'Warn if writes were stopped for longer' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -l locked-ms-critical -d 'Alarm if writes were stopped for longer' -r
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -s v -l verbose -d 'Print what is looked at, too, on standard error'
complete -c holdstill -n "__fish_holdstill_using_subcommand check" -s h -l help -d 'Print help'
