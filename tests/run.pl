#!/usr/bin/perl
# run.pl - runs TAP tests and closes with `N passed, N failed`.
#
#   tests/run.pl [-j JOBS] TEST...
#
# A test that dies, prints no plan or exits non-zero counts as failed even when all its lines said ok.
use strict;
use warnings;
use TAP::Harness;
use Getopt::Long;

GetOptions('j=i' => \(my $jobs = 1), 'v' => \my $verbose) or exit 2;
my $harness = TAP::Harness->new({
    jobs      => $jobs,
    timer     => 1,
    verbosity => $verbose ? 1 : 0,
    comments  => 1,
    failures  => 1,
    exec      => sub { my (undef, $file) = @_; return [ $file ]; },
});
my $all = $harness->runtests(@ARGV);
my $failed = $all->failed;
for my $test ($all->descriptions) {
    my ($p) = $all->parsers($test);
    my $bad = $p->exit || $p->parse_errors;
    $failed++ if $bad && !$p->failed;
    print "FAILED: $test", ($p->exit ? " (exit " . ($p->exit >> 8) . ")" : ""), "\n" if $bad || $p->failed;
}
printf "%d passed, %d failed\n", scalar $all->passed, $failed;
exit($failed ? 1 : 0);
