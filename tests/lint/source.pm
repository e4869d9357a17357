# source.pm: what the lint rules share: the C files below a root, and their text without comments and strings.
package source;
use strict;
use warnings;

# Paths of the C files below the given FOLDERS of the current directory, sorted.
sub files {
	my @folders = grep { -d } @_ or return ();
	open my $find, '-|', 'find', @folders, '-type', 'f', '-name', '*.[ch]' or die "find: $!\n";
	chomp(my @files = <$find>);
	return sort @files;
}

sub text {
	my ($path) = @_;
	local $/;
	open my $in, '<', $path or die "$path: $!\n";
	return <$in> // '';
}

my $string = qr/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/s;
my $comment = qr{//[^\n]*|/\*.*?\*/}s;

# TEXT with every character of its comments and of its strings (unless KEEP_STRINGS) made a blank; lines stay where they are.
sub code {
	my ($text, %option) = @_;
	$text =~ s{($string)|($comment)}{
		defined $1 && $option{keep_strings} ? $1 : ($1 // $2) =~ s/[^\n]/ /gr;
	}ge;
	return $text;
}

# TEXT with its strings blanked and its comments kept.
sub words {
	my ($text) = @_;
	$text =~ s{($string)|($comment)}{ $2 // $1 =~ s/[^\n]/ /gr }ge;
	return $text;
}

# The number of the line in which OFFSET lies.
sub line_at {
	my ($text, $offset) = @_;
	return 1 + (substr($text, 0, $offset) =~ tr/\n//);
}

1;
