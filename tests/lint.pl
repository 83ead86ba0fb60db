#!/usr/bin/perl
# SPDX-License-Identifier: LGPL-2.1-only
#
# The rules of docs/hacking.md that can be seen in the text of a file.
#   usage: lint.pl FILE...       (paths relative to the top of the tree)
# Prints "file:line: rule: what"; the exit status says whether any rule but
# the warnings was broken.
use strict;
use warnings;
use open qw(:std :encoding(UTF-8));

my ($broken, $warned) = (0, 0);

sub bad
{
    my ($file, $line, $rule, $what) = @_;
    print "$file:$line: $rule: $what\n";
    $broken++;
}

sub warning
{
    my ($file, $line, $rule, $what) = @_;
    print "$file:$line: warning: $rule: $what\n";
    $warned++;
}

# Text with comments and the insides of strings blanked, lines kept.
sub code_of
{
    my ($text) = @_;
    $text =~ s{
        (/\*.*?\*/|//[^\n]*) | ("(?:\\.|[^"\\\n])*") | ('(?:\\.|[^'\\\n])*')
    }{
        my ($c, $s, $q) = ($1, $2, $3);
        if ( defined $c ) { $c =~ s/[^\n]/ /g; $c }
        elsif ( defined $s ) { '"' . '_' x (length($s) - 2) . '"' }
        else { "'" . '_' x (length($q) - 2) . "'" }
    }gsex;
    return $text;
}

# Who may include what.  The first row whose pattern matches the header says
# in which files it may stand; library code only.
my @only_in = (
    [qr{^xen(ctrl|guest|call|foreignmemory|evtchn|gnttab|devicemodel)\.h$},
     qr{^src/hv/hv_xen\w*\.[ch]$}],
    [qr{^xen/},           qr{^src/(hv|store|wire|image|migrate)/}],
    [qr{^xenstore\.h$},   qr{^src/store/store_xs\w*\.[ch]$}],
    [qr{^zlib\.h$},       qr{^src/(zip/zip_zlib|wire/wire)\.c$}],
    [qr{^zstd\.h$},       qr{^src/zip/zip_zstd\.c$}],
    [qr{^uuid/uuid\.h$},  qr{^src/base/ident\.c$}],
    [qr{^json-c/},        qr{^src/(migrate/config|monitor/)\w*\.c$}],
    [qr{^mechs\.inc$},    qr{^src/migrate/registry\.c$}],
);

# The rooms of the library and what each stands on.  A room that is not here
# is a mechanism's: it may use all of them.
my %below = (
    base    => [],
    hv      => [qw(base)],
    store   => [qw(base wire)],
    wire    => [qw(base)],
    image   => [qw(base)],
    zip     => [qw(base)],
    monitor => [qw(base)],
    migrate => [qw(base hv store wire image monitor zip)],
);
my @all_rooms = (qw(migrate base hv store wire image monitor zip));

# A room, with the folders in it.
sub folders { return map { ("src/$_", glob("src/$_/*/")) } @_ }

sub exists_in
{
    my ($header, @dirs) = @_;
    for my $d (@dirs) { return 1 if -e "$d/$header" }
    return 0;
}

sub check_include
{
    my ($file, $n, $kind, $header) = @_;
    my $why = '';

    if ( $file =~ m{^src/(\w+)/} )
    {
        my $dir = $1;
        for my $row (@only_in)
        {
            next unless $header =~ $row->[0];
            $why = "<$header> has one place, and it is not here"
                unless $file =~ $row->[1];
            last;
        }
        if ( $kind eq '"' && $header ne 'mechs.inc' )
        {
            my @dirs = folders($dir, @{$below{$dir} || \@all_rooms});
            push @dirs, 'include';
            $why = "\"$header\" is not of " . join(', ', @dirs)
                if $header =~ m{/} || !exists_in($header, @dirs);
            $why = "a mechanism does not know the engine"
                if !$below{$dir} && $header eq 'engine.h';
        }
    }
    elsif ( $file =~ m{^tools/emu/guest/} )
    {
        if ( $kind eq '<' )
        {
            $why = "a guest has no <$header>"
                unless $header =~ m{^xen/} || $header =~
                    /^(string|stdint|stddef|stdbool|stdarg|limits|inttypes|
                       errno|stdio|stdlib)\.h$/x;
        }
        elsif ( !exists_in($header, 'tools/emu/guest', 'tools/emu') )
        {
            $why = "\"$header\" is not of the guest";
        }
    }
    elsif ( $file =~ m{^tools/emu/} )
    {
        $why = "the emulator knows nothing of libxmig"
            if $kind eq '"' && exists_in($header, folders(@all_rooms),
                                        'include');
        $why = "the host includes the guest's headers, not its programs"
            if $file =~ m{^tools/emu/host/} && $header =~ m{prog_\w+\.h$};
    }
    elsif ( $file =~ m{^tools/(?:save-helper/)?[^/]+$} && $kind eq '"' )
    {
        my $of_ours = exists_in($header, 'include',
            $file =~ m{^(.*)/});
        my $dump = $file =~ /dump/ &&
            $header =~ /^(wire|image|err)\w*\.h$/;
        $why = "\"$header\": tools use include/xmig.h"
            unless $of_ours || $dump;
    }
    bad($file, $n, 'layers', $why) if $why;
}

# Calls that a rule forbids: pattern, files it holds in, name, why.
my @calls = (
    [qr/\b(?:v?printf|puts|putchar|perror)\s*\(/, qr{^src/}, 'silent',
     'the library does not print'],
    [qr/\bf(?:printf|puts|write|putc)\s*\(.*\bstd(?:out|err)\b/, qr{^src/},
     'silent', 'the library does not print'],
    [qr/\b(?:vmsplice|sendfile(?:64)?|splice|process_vm_(?:readv|writev)|
          io_uring_\w+|copy_file_range)\s*\(|
        \b(?:MSG_ZEROCOPY|SO_ZEROCOPY|O_DIRECT|IORING_\w+)\b/x, qr{^src/},
     'forbidden-copy', 'fails on foreign mappings of real Xen'],
    [qr/\b(?:strcpy|strcat|strtok|alloca|atoi|atol|atoll)\s*\(/,
     qr{^(?:src|tools)/}, 'unsafe-call', 'has no bound or no error'],
    [qr/\b(?:v?sprintf|gets|mktemp|tmpnam)\s*\(/, qr{.}, 'unsafe-call',
     'has no bound'],
    [qr/\b(?:sleep|usleep)\s*\(/, qr{^(?:src|tools|tests)/}, 'sleep',
     'wait for the thing itself'],
    [qr/\b(?:clock_gettime|gettimeofday|time)\s*\(/,
     qr{^src/(?!base/clock\.)}, 'clock', 'clock.h alone reads a clock'],
    # Pure functions of the C library (memcpy, snprintf, strtoul) are all a
    # guest may use, and the numbers of errno.h.
    [qr/\b(?:malloc|calloc|realloc|free|v?f?printf|puts|fopen|open|read|write|
          mmap|getenv|abort|exit|rand|qsort|pthread_\w+|syscall)\s*\(|
        \berrno\b/x,
     qr{^tools/emu/guest/}, 'guest-libc', 'a guest has no operating system'],
    [qr/\b(?:exit|_exit|abort|system|popen)\s*\(/, qr{^src/}, 'no-exit',
     'a library returns'],
);

sub check_c
{
    my ($file, $text, @lines) = @_;
    my @code = split /\n/, code_of($text), -1;
    my ($start, $name) = (0, '');

    bad($file, 1, 'spdx', 'first line is not the SPDX line')
        unless $lines[0] eq '/* SPDX-License-Identifier: LGPL-2.1-only */';
    bad($file, 2, 'header', 'no comment that says what the file is for')
        unless defined $lines[1] && $lines[1] =~ m{^/\*};

    if ( @lines > 600 )
    {
        my $head = join "\n", @lines[0 .. 40];
        bad($file, 601, 'length', scalar(@lines) .
            ' lines; split it, or say why after "Length:" in the header')
            unless $head =~ /\bLength:/;
    }
    bad($file, 401, 'length', 'the public header ends at 400 lines')
        if $file eq 'include/xmig.h' && @lines > 400;

    for my $i (0 .. $#lines)
    {
        my ($l, $c, $n) = ($lines[$i], $code[$i], $i + 1);

        bad($file, $n, 'tab', 'tab') if $l =~ /\t/;
        bad($file, $n, 'columns', length($l) . ' columns')
            if length $l > 79 && $l !~ /\bLINK:/;

        check_include($file, $n, $1, $2)
            if $l =~ /^\s*#\s*include\s*(["<])([^">]+)[">]/;
        next if $c =~ /^\s*#/;

        for my $row (@calls)
        {
            my ($what, $where, $rule, $why) = @$row;
            bad($file, $n, $rule, $why . ': ' . $l =~ s/^\s+//r)
                if $file =~ $where && $c =~ $what;
        }

        if ( $c =~ /\b(if|for|while|switch)\b(.*)/ )
        {
            my ($word, $rest) = ($1, $2);
            bad($file, $n, 'spacing', "write \"$word ( ... )\"")
                unless $rest =~ /^ \( / || $rest =~ /^ \($/;
            # The matching ')' on the same line has a space before it.
            my $depth = 0;
            for my $k (0 .. length($rest) - 1)
            {
                my $ch = substr $rest, $k, 1;
                $depth++ if $ch eq '(';
                next unless $ch eq ')' && --$depth == 0;
                bad($file, $n, 'spacing', "write \"$word ( ... )\"")
                    unless substr($rest, $k - 1, 1) =~ /[ ]/;
                last;
            }
        }
        bad($file, $n, 'braces', 'a brace has its own line')
            if $c =~ /^\s+\S.*\)\s*\{\s*$/ && $c !~ /=\s*\(|\(\{/ &&
               $c =~ /\b(if|for|while|switch)\b/
            || $c =~ /\}\s*else\b|\belse\s*\{/
            || $c =~ /^\w.*\)\s*\{\s*$/;

        if ( $c =~ /^\{/ && $i > 0 && $code[$i - 1] !~ /[=,]\s*$/ )
        {
            $start = $n;
            my $k = $i - 1;
            $k-- while $k > 0 && $code[$k] =~ /^\s/;
            $name = $code[$k] =~ /(\w+)\s*\(/ ? $1 : '';
        }
        if ( $c =~ /^\}/ && $start )
        {
            warning($file, $start, 'function-length', "$name() has " .
                ($n - $start - 1) . ' lines')
                if $name && $n - $start - 1 > 60;
            $start = 0;
        }
    }
}

for my $file (@ARGV)
{
    open my $fh, '<', $file or next;
    my $text = do { local $/; <$fh> };
    close $fh;
    next if !defined $text || $text eq '' || $text =~ /\0/;

    my @lines = split /\n/, $text, -1;
    if ( $lines[-1] eq '' ) { pop @lines }
    else { bad($file, scalar @lines, 'newline', 'no newline at the end') }

    for my $i (0 .. $#lines)
    {
        bad($file, $i + 1, 'trailing-space', 'trailing space')
            if $lines[$i] =~ /[ \t]$/ && $file !~ /\.(md|patch)$/;
        bad($file, $i + 1, 'left-open', 'finish it or open an issue')
            if $lines[$i] =~ /\b(TO[D]O|FIX[M]E|X[X]X)\b(?!\.)/ &&
               $file !~ m{^tests/lint\.}
    }
    if ( $file =~ /\.[ch]$/ ) { check_c($file, $text, @lines) }
    elsif ( $file =~ m{(\.sh|\.t|\.pl|\.py|\.mk|^Makefile|^\.ci/\w+)$} )
    {
        bad($file, 1, 'spdx', 'no SPDX line among the first three')
            unless join("\n", grep { defined } @lines[0 .. 2]) =~
                /SPDX-License-Identifier: LGPL-2\.1-only/;
    }
}

print "$warned warnings\n" if $warned;
exit($broken ? 1 : 0);
