# ruff: noqa: RUF001, E501
"""What people write, language by language: the words beside a secret, whole sentences, and look-alikes.

The slots in braces and the brackets ``⟦⟧`` are those of `tests.scrub.languages`. Phone numbers: ``#`` is any digit, and
``N`` one from 2 to 9.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """What the texts of a language are made of."""

    phones: tuple[str, ...]
    people: tuple[str, ...]
    domains: tuple[str, ...]
    ibans: tuple[str, ...]
    password_words: tuple[str, ...]
    words: dict[str, tuple[str, ...]]  # by kind, what a secret is called
    numbers: dict[str, tuple[str, ...]]  # by kind of national number, what it is called
    copulas: tuple[str, ...]  # how a word ({w}) and its secret ({v}) stand together
    carriers: tuple[str, ...]  # sentences around both
    said: dict[str, tuple[str, ...]]  # by kind, sentences with a secret of their own
    bare: tuple[str, ...]  # sentences around a number that tells itself what it is
    mixed: tuple[str, ...]  # texts with several
    kept: tuple[str, ...]
    kept_numbers: tuple[str, ...]
    wide: bool = False  # full-width digits and letters are written
    local_card: str = "6011"


def _bars(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip().replace("\\n", "\n") for line in text.strip().splitlines())


def _said(text: str) -> dict[str, tuple[str, ...]]:
    """Lines of ``kind> sentence``, by kind."""
    said: dict[str, tuple[str, ...]] = {}
    for line in _lines(text):
        kind, _, sentence = line.partition("> ")
        said[kind] = (*said.get(kind, ()), sentence)
    return said


def _named(**kinds: str) -> dict[str, tuple[str, ...]]:
    return {kind: _bars(words) for kind, words in kinds.items()}


_ENGLISH = Table(
    phones=_bars(
        "(415) 55N-####|415-55N-####|415.55N.####|+1 415 55N ####|+1 (212) 55N-####|+1415N######|1-800-N##-####|020 7946 0###|07700 900###|+44 7700 900###|+44 20 7946 0###|+44 (0)20 7946 0###|0044 7700 900###|+353 87 N## ####|0412 N## ###|+61 412 N## ###|+91 98N## #####|+64 21 N## ###|1 (650) 55N-#### ext. 12"
    ),
    people=_bars("anna miller|john baker|priya shah|liam obrien|grace walker|tom hughes"),
    domains=_bars("gmail.com|outlook.com|example.co.uk|mail.example.org|acme-corp.io"),
    ibans=("GB", "IE", "DE"),
    password_words=_bars("sunshine|dragon|monkey|liverpool|football"),
    words=_named(
        email="Email|E-mail address|my email|mail",
        phone="Phone|Tel|Mobile|Cell|my number|phone number|WhatsApp",
        card="Card number|credit card|Visa|Card no.",
        iban="IBAN|account|bank account",
        ip="IP address|IP|source IP|client IP",
        key="API key|access token|secret key|token|client secret",
        password="password|Password|my password|passphrase|passwd|pwd|passcode|login password|Wi-Fi password",
    ),
    numbers=_named(
        gb_nhs="NHS number|NHS no.|NHS Number",
        gb_nino="NI number|National Insurance number|NINO",
        us_ssn="SSN|Social Security number|social security",
        ca_sin="SIN|Social Insurance Number",
    ),
    copulas=_bars("{w}: {v}|{w} is {v}|{w} = {v}|{w}={v}|{w}:{v}|{w} - it's: {v}|{w} is: {v}"),
    carriers=_lines("""
        Hi, I can't get in since this morning. {}. Thanks!
        {}
        Please update my account, {}, and tell me when ⟦it is done⟧.
        ⟦Ticket INC0012345⟧: {}
        > {}\\n⟦Regards, Anna Miller⟧
        {} (⟦order {order}⟧)
    """),
    said=_said("""
        email> You can reach me at {email} or ⟦after 5 pm⟧.
        email> Please send the invoice to {email}.
        email> From: Anna Miller <{email}>\\nSubject: ⟦Refund for order {order}⟧
        email> mailto:{email}
        email> cc {email},{email};⟦thanks⟧
        phone> Call me on {phone} ⟦after 10:30⟧.
        phone> My new cell is {phone}, the old one no longer works.
        phone> Can you text {phone} when the parcel arrives?
        phone> ☎ {phone} / fax {phone}
        card> I paid with {card}, exp ⟦09/27⟧.
        card> Please charge my Visa {card} instead.
        card> The card ending... whole number is {card}
        iban> Please transfer the refund to {iban}.
        iban> My bank details: {iban}, ⟦Barclays London⟧
        ip> Requests from {ip} are blocked ⟦since 2025-03-04⟧.
        ip> ssh root@{ip} times out
        ip> the server ({ip}) answers with ⟦HTTP 503⟧
        url> Connect with {url} please
        url> DATABASE_URL={url}
        url> it fails: curl "{url}"
        key> I use the key {key} and get ⟦401 Unauthorized⟧.
        key> export OPENAI_API_KEY={key}
        key> here is my token: {key} ⟦please do not share⟧
        key> client = Client(api_key="{key}")
        password> My password is {strong} but ⟦it says access denied⟧.
        password> I tried with the password {strong} three times
        password> user: jdoe / pass: {strong}
        password> password: "{password}"
        password> PIN: {pin}
        password> the PIN is {pin}, ⟦room 12⟧
        password> mysql -u root --password={strong} shop
        password> pwd={password}; ⟦retries=3⟧
    """),
    bare=_lines("""
        You asked for it: {v}.
        For the registration I sent {v} yesterday
    """),
    mixed=_lines("""
        Name: Anna Miller\\nPhone: {phone}\\nEmail: {email}\\n⟦Order: {order}⟧
        {"name": "Anna Miller", "email": "{email}", "phone": "{phone}", "card": "{card}", "order": "⟦{order}⟧"}
        ⟦{stamp}⟧ login failed for {email} from {ip} (⟦{uuid}⟧)
        Login {email}, password: {strong}, ⟦version 3.11.7⟧
        I'm Anna, {phone}, {email}. ⟦The parcel 1Z999AA10123456784 never came.⟧
    """),
    kept=_lines("""
        ⟦I forgot my password.⟧
        ⟦My password is wrong, says the app.⟧
        ⟦How do I change the password of my account?⟧
        ⟦Your password must have at least 12 characters.⟧
        ⟦The password is not accepted since the update to version 1.2.3.4⟧
        ⟦Is the API key required for the free plan?⟧
        ⟦My phone is broken.⟧
        ⟦The token limit is 128000 tokens.⟧
        ⟦Order {order}⟧ was shipped on ⟦28 November 2024⟧
        ⟦Invoice 2024-11-0042, $1,299.00⟧
        ⟦Anna Miller, 12 Baker Street, London NW1 6XE⟧
        ⟦San Francisco, CA 94105-1234⟧
        ⟦Tracking number 1Z999AA10123456784⟧
        ⟦Meeting on 11/28/2024 10:30-11:15, room 4.2.1⟧
        ⟦Customer number 40021938⟧
        ⟦The credit card was declined.⟧
        ⟦See section 4.2.1.3 on pages 1000-1024.⟧
        ⟦Flight BA 2490, seat 14C, gate B42⟧
        ⟦the secret is to stay calm⟧
        ⟦3.5 million users, 1 000 000 requests, 99.95 %⟧
    """),
    kept_numbers=(
        "⟦Order no. {no_card}⟧",
        "⟦reference {no_iban}⟧",
        "⟦case {wrong_number}⟧",
        "⟦item {wrong_number} is out of stock⟧",
    ),
)

_GERMAN = Table(
    phones=_bars(
        "0171 N######|0171/N######|0151-N#######|030 N#######|(030) N######|089/N#####-##|+49 171 N######|+49 30 N######|+49 (0)30 N######|0049 171 N######|+49151N#######|+43 664 N######|0664 / N## ## ##|079 N## ## ##|+41 79 N## ## ##|+41 (0)44 N## ## ##|06221 N#####|+49 89 N###-###"
    ),
    people=_bars("anna schmidt|lukas weber|petra koch|jonas huber|sabine vogel|uwe kraus"),
    domains=_bars("gmx.de|web.de|t-online.de|beispiel.at|firma-muster.ch"),
    ibans=("DE", "AT", "CH"),
    password_words=_bars("sommer|sonnenschein|schatz|fussball|bayern"),
    words=_named(
        email="E-Mail|E-Mail-Adresse|Mailadresse|meine Mail",
        phone="Telefon|Tel.|Telefonnummer|Handy|Handynummer|Mobil|Rückrufnummer",
        card="Kartennummer|Kreditkarte|Kreditkartennummer|Visa",
        iban="IBAN|Kontonummer|Konto|Bankverbindung",
        ip="IP-Adresse|IP|Quell-IP|Server-IP",
        key="API-Schlüssel|API-Key|Zugangstoken|Zugriffstoken|Token|geheimer Schlüssel",
        password="Passwort|Kennwort|mein Passwort|PW|Zugangspasswort|WLAN-Passwort|Passwd|Passphrase|WLAN-Schlüssel",
    ),
    numbers=_named(
        de_steuer_id="Steuer-ID|Steueridentifikationsnummer|IdNr.|steuerliche Identifikationsnummer|Steuer-IdNr",
        de_rvnr="Sozialversicherungsnummer|Rentenversicherungsnummer|SV-Nummer",
        at_svnr="SVNR|Sozialversicherungsnummer|SV-Nr.",
        ch_ahv="AHV-Nummer|AHV-Nr.|AHVN13",
    ),
    copulas=_bars("{w}: {v}|{w} ist {v}|{w} lautet {v}|{w} = {v}|{w}={v}|{w}:{v}|{w} lautet: {v}|{w} ist: {v}"),
    carriers=_lines("""
        Hallo, ich komme seit heute früh nicht mehr rein. {}. Danke!
        {}
        Bitte ändern Sie das in meinem Konto, {}, und ⟦geben Sie mir Bescheid⟧.
        ⟦Ticket 2024-00123⟧: {}
        Guten Tag,\\n{}\\n⟦Mit freundlichen Grüßen, Anna Schmidt⟧
        {} (⟦Bestellung {order}⟧)
    """),
    said=_said("""
        email> Sie erreichen mich unter {email} oder ⟦ab 17 Uhr⟧.
        email> Schickt die Rechnung bitte an {email}.
        email> Von: Anna Schmidt <{email}>\\nBetreff: ⟦Rückerstattung {order}⟧
        email> mailto:{email}
        phone> Rufen Sie mich bitte unter {phone} zurück, ⟦ab 10:30 Uhr⟧.
        phone> Meine neue Handynummer: {phone}, die alte geht nicht mehr.
        phone> Bin unter {phone} zu erreichen
        phone> Tel. {phone}, Fax {phone}
        card> Bezahlt habe ich mit {card}, gültig bis ⟦09/27⟧.
        card> Bitte bucht von meiner Mastercard {card} ab.
        iban> Bitte überweisen Sie den Betrag auf {iban}.
        iban> Meine Bankverbindung: {iban}, ⟦Sparkasse Köln⟧
        ip> Anfragen von {ip} werden ⟦seit dem 04.03.2025⟧ blockiert.
        ip> der Server ({ip}) antwortet mit ⟦HTTP 503⟧
        url> Verbinden mit {url} klappt nicht
        url> DATABASE_URL={url}
        key> Ich nutze den Schlüssel {key} und bekomme ⟦401 Unauthorized⟧.
        key> Mein API-Schlüssel lautet {key}
        key> client = Client(api_key="{key}")
        password> Mein Passwort ist {strong}, aber ⟦die Anmeldung schlägt fehl⟧.
        password> Ich habe es dreimal mit dem Passwort {strong} versucht
        password> Benutzer: mmuster / Kennwort: {strong}
        password> Passwort: "{password}"
        password> PIN: {pin}
        password> Die PIN lautet {pin}, ⟦Zimmer 12⟧
        password> Zugangsdaten: admin / {strong}
        password> Neues Passwort {strong} funktioniert nicht
    """),
    bare=_lines("""
        Sie haben danach gefragt: {v}.
        Für die Anmeldung habe ich gestern {v} angegeben
    """),
    mixed=_lines("""
        Name: Anna Schmidt\\nTelefon: {phone}\\nE-Mail: {email}\\n⟦Bestellung: {order}⟧
        {"name": "Anna Schmidt", "email": "{email}", "telefon": "{phone}", "iban": "{iban}", "bestellung": "⟦{order}⟧"}
        ⟦{stamp}⟧ Anmeldung von {email} über {ip} fehlgeschlagen (⟦{uuid}⟧)
        Login {email}, Passwort: {strong}, ⟦Version 3.11.7⟧
        Ich heiße Anna, {phone}, {email}. ⟦Das Paket 00340434161094042557 kam nie an.⟧
    """),
    kept=_lines("""
        ⟦Ich habe mein Passwort vergessen.⟧
        ⟦Mein Passwort ist falsch, sagt die App.⟧
        ⟦Passwort ändern: Einstellungen > Konto⟧
        ⟦Das Passwort muss mindestens 12 Zeichen haben.⟧
        ⟦Das Kennwort ist abgelaufen.⟧
        ⟦Braucht man für den freien Tarif einen API-Schlüssel?⟧
        ⟦Mein Handy ist kaputt.⟧
        ⟦Das Limit liegt bei 128.000 Token.⟧
        ⟦Bestellnummer {order}⟧ vom ⟦28.11.2024⟧
        ⟦Rechnung RE-2024-00123 über 1.299,00 €⟧
        ⟦Anna Schmidt, Hauptstraße 12, 10115 Berlin⟧
        ⟦Sendungsnummer 00340434161094042557⟧
        ⟦Termin am 28.11.2024, 10:30-11:15 Uhr, Raum 4.2.1⟧
        ⟦Kundennummer 40021938⟧
        ⟦Die Kreditkarte wurde abgelehnt.⟧
        ⟦Siehe Abschnitt 4.2.1.3 auf den Seiten 1000-1024.⟧
        ⟦Flug LH 2490, Sitz 14C⟧
        ⟦§ 312g Abs. 1 BGB, Az. 12 C 345/24⟧
        ⟦3,5 Mio. Nutzer, 1 000 000 Anfragen, 99,95 %⟧
        ⟦Die Steuer-ID steht auf dem Lohnzettel.⟧
    """),
    kept_numbers=(
        "⟦Bestellung {no_card}⟧",
        "⟦Referenz {no_iban}⟧",
        "⟦Vorgang {wrong_number}⟧",
        "⟦Artikel {wrong_number} ist ausverkauft⟧",
    ),
)

_FRENCH = Table(
    phones=_bars(
        "06 N# ## ## ##|07.N#.##.##.##|06N#######|01-N#-##-##-##|01 N# ## ## ##|+33 6 N# ## ## ##|+33 (0)6 N# ## ## ##|+336N#######|0033 6 N# ## ## ##|0470 N# ## ##|+32 470 N# ## ##|0470/N#.##.##|02 N## ## ##|+32 2 N## ## ##|022 N## ## ##|+41 22 N## ## ##|514-55N-####|+1 514 55N ####"
    ),
    people=_bars("anne dupont|luc martin|chloe bernard|hugo petit|marie leroy|paul moreau"),
    domains=_bars("orange.fr|laposte.net|free.fr|exemple.be|societe-exemple.ch"),
    ibans=("FR", "BE", "LU"),
    password_words=_bars("soleil|doudou|chouchou|marseille|printemps"),
    words=_named(
        email="E-mail|Courriel|Adresse e-mail|mon mail|Mél",
        phone="Téléphone|Tél.|Tél|Portable|mon numéro|Mobile|numéro de téléphone",
        card="Numéro de carte|Carte bancaire|CB|carte de crédit",
        iban="IBAN|RIB|compte bancaire|numéro de compte",
        ip="Adresse IP|IP|IP source|IP du client",
        key="clé API|clé d'API|jeton d'accès|jeton|token|clé secrète",
        password="mot de passe|Mot de passe|mon mot de passe|MDP|mdp|code secret|mot de passe Wi-Fi|Mot de passe provisoire",
    ),
    numbers=_named(
        fr_nir="numéro de sécurité sociale|NIR|N° de sécu|Numéro de sécu|n° SS",
        fr_spi="numéro fiscal|n° fiscal",
        be_national="numéro de registre national|NISS|registre national",
        ch_ahv="numéro AVS|N° AVS",
    ),
    copulas=_bars(
        "{w} : {v}|{w}: {v}|{w} est {v}|{w} = {v}|{w}={v}|{w}\u00a0: {v}|{w} est le suivant : {v}|{w}, c'est : {v}"
    ),
    carriers=_lines("""
        Bonjour, je n'arrive plus à me connecter depuis ce matin. {}. Merci !
        {}
        Merci de mettre à jour mon compte, {}, et de ⟦me tenir au courant⟧.
        ⟦Ticket 2024-00123⟧ : {}
        Bonjour,\\n{}\\n⟦Cordialement, Anne Dupont⟧
        {} (⟦commande {order}⟧)
    """),
    said=_said("""
        email> Vous pouvez me joindre à {email} ou ⟦après 17 h⟧.
        email> Envoyez la facture à {email}.
        email> De : Anne Dupont <{email}>\\nObjet : ⟦Remboursement {order}⟧
        email> «{email}» est mon adresse
        phone> Rappelez-moi au {phone}, ⟦après 10h30⟧.
        phone> Mon nouveau portable : {phone}, l'ancien ne marche plus.
        phone> Joignable au {phone}
        phone> Tél. {phone} - Fax {phone}
        card> J'ai payé avec {card}, expire ⟦09/27⟧.
        card> Débitez ma carte Visa {card} s'il vous plaît.
        iban> Merci de virer la somme sur {iban}.
        iban> Mes coordonnées bancaires : {iban}, ⟦Crédit Lyonnais⟧
        ip> Les requêtes de {ip} sont bloquées ⟦depuis le 04/03/2025⟧.
        ip> le serveur ({ip}) répond ⟦HTTP 503⟧
        url> La connexion à {url} échoue
        url> DATABASE_URL={url}
        key> J'utilise la clé {key} et j'obtiens ⟦401 Unauthorized⟧.
        key> Ma clé API est {key}
        key> client = Client(api_key="{key}")
        password> Mon mot de passe est {strong} mais ⟦l'accès est refusé⟧.
        password> J'ai essayé trois fois avec le mot de passe {strong}
        password> identifiant : jdupont / mdp : {strong}
        password> mot de passe : « {password} »
        password> code PIN : {pin}
        password> Le code PIN est {pin}, ⟦chambre 12⟧
        password> Mot de passe : {password}
        password> mdp={strong}
    """),
    bare=_lines("""
        Vous l'aviez demandé : {v}.
        Pour l'inscription j'ai donné {v} hier
    """),
    mixed=_lines("""
        Nom : Anne Dupont\\nTéléphone : {phone}\\nE-mail : {email}\\n⟦Commande : {order}⟧
        {"nom": "Anne Dupont", "email": "{email}", "telephone": "{phone}", "iban": "{iban}", "commande": "⟦{order}⟧"}
        ⟦{stamp}⟧ échec de connexion de {email} depuis {ip} (⟦{uuid}⟧)
        Identifiant {email}, mot de passe : {strong}, ⟦version 3.11.7⟧
        Je suis Anne, {phone}, {email}. ⟦Le colis 6A12345678901 n'est jamais arrivé.⟧
    """),
    kept=_lines("""
        ⟦J'ai oublié mon mot de passe.⟧
        ⟦Mon mot de passe est incorrect, dit l'application.⟧
        ⟦Changer le mot de passe : Réglages > Compte⟧
        ⟦Le mot de passe doit contenir au moins 12 caractères.⟧
        ⟦Mon mot de passe est expiré.⟧
        ⟦Faut-il une clé API pour l'offre gratuite ?⟧
        ⟦Mon portable est cassé.⟧
        ⟦La limite est de 128 000 jetons.⟧
        ⟦Commande n° {order}⟧ du ⟦28/11/2024⟧
        ⟦Facture FA-2024-00123, 1 299,00 €⟧
        ⟦Anne Dupont, 12 rue de la Paix, 75002 Paris⟧
        ⟦Numéro de suivi 6A12345678901⟧
        ⟦Rendez-vous le 28/11/2024, 10h30-11h15, salle 4.2.1⟧
        ⟦Numéro client 40021938⟧
        ⟦La carte bancaire a été refusée.⟧
        ⟦Voir la section 4.2.1.3, pages 1000-1024.⟧
        ⟦Vol AF 2490, siège 14C⟧
        ⟦le secret est de rester calme⟧
        ⟦3,5 millions d'utilisateurs, 1 000 000 requêtes, 99,95 %⟧
        ⟦Article L. 121-4-1 du code du travail⟧
    """),
    kept_numbers=(
        "⟦Commande {no_card}⟧",
        "⟦référence {no_iban}⟧",
        "⟦dossier {wrong_number}⟧",
        "⟦l'article {wrong_number} est épuisé⟧",
    ),
)

_SPANISH = Table(
    phones=_bars(
        "612 ### ###|6N# ## ## ##|6N#######|91 N## ## ##|93-N##-##-##|+34 612 ### ###|+346N#######|0034 612 ### ###|(+34) 6N# ### ###|+52 55 N### ####|55 N### ####|+52 1 55 N### ####|+54 9 11 N###-####|(011) N###-####|+57 3N# ### ####|+56 9 N### ####"
    ),
    people=_bars("ana garcia|luis romero|carmen ortiz|pablo vega|lucia navarro|jorge molina"),
    domains=_bars("hotmail.es|telefonica.net|ejemplo.com.mx|correo.ejemplo.ar|empresa-ejemplo.es"),
    ibans=("ES", "DE", "PT"),
    password_words=_bars("verano|mariposa|futbol|barcelona|teamo"),
    words=_named(
        email="Correo|Correo electrónico|E-mail|mi correo|Email",
        phone="Teléfono|Tel.|Móvil|Celular|mi número|número de teléfono|Telf.",
        card="Número de tarjeta|Tarjeta|tarjeta de crédito|Visa",
        iban="IBAN|cuenta|número de cuenta|cuenta bancaria",
        ip="Dirección IP|IP|IP de origen",
        key="clave de API|clave API|token de acceso|token|API key|clave secreta",
        password="contraseña|Contraseña|clave|mi clave|Clave de acceso|mi contraseña|pass|contraseña del wifi",
    ),
    numbers=_named(
        es_dni="DNI|NIF|D.N.I.|mi DNI",
        es_nie="NIE|N.I.E.|mi NIE",
        ar_cuit="CUIT|CUIL",
        cl_rut="RUT|R.U.T.",
        mx_curp="CURP",
    ),
    copulas=_bars("{w}: {v}|{w} es {v}|{w} = {v}|{w}={v}|{w}:{v}|{w} es: {v}|{w} es la siguiente: {v}"),
    carriers=_lines("""
        Hola, no puedo entrar desde esta mañana. {}. ¡Gracias!
        {}
        Actualicen mi cuenta, {}, y ⟦avísenme cuando esté⟧.
        ⟦Incidencia 2024-00123⟧: {}
        Buenos días:\\n{}\\n⟦Un saludo, Ana García⟧
        {} (⟦pedido {order}⟧)
    """),
    said=_said("""
        email> Pueden escribirme a {email} o ⟦después de las 17 h⟧.
        email> Envíen la factura a {email}.
        email> De: Ana García <{email}>\\nAsunto: ⟦Devolución {order}⟧
        email> ¿Es {email}?
        phone> Llámenme al {phone}, ⟦a partir de las 10:30⟧.
        phone> Mi móvil nuevo: {phone}, el otro ya no funciona.
        phone> Mi WhatsApp es {phone}
        phone> Tel. {phone} / Fax {phone}
        card> Pagué con {card}, caduca ⟦09/27⟧.
        card> Cóbrenlo en mi tarjeta Visa {card} por favor.
        iban> Hagan la transferencia a {iban}.
        iban> Mis datos bancarios: {iban}, ⟦Banco Santander⟧
        ip> Las peticiones de {ip} están bloqueadas ⟦desde el 04/03/2025⟧.
        ip> el servidor ({ip}) responde ⟦HTTP 503⟧
        url> No conecta con {url} ahora
        url> DATABASE_URL={url}
        key> Uso la clave {key} y recibo ⟦401 Unauthorized⟧.
        key> Mi clave de API es {key}
        key> client = Client(api_key="{key}")
        password> Mi contraseña es {strong} pero ⟦me deniega el acceso⟧.
        password> Lo intenté tres veces con la contraseña {strong}
        password> usuario: agarcia / clave: {strong}
        password> contraseña: "{password}"
        password> PIN: {pin}
        password> El PIN es {pin}, ⟦habitación 12⟧
        password> Contraseña: {password}
        password> contrasena={strong}
    """),
    bare=_lines("""
        Me lo pidieron: {v}.
        Para el registro di ayer {v}
    """),
    mixed=_lines("""
        Nombre: Ana García\\nTeléfono: {phone}\\nCorreo: {email}\\n⟦Pedido: {order}⟧
        {"nombre": "Ana García", "correo": "{email}", "telefono": "{phone}", "iban": "{iban}", "pedido": "⟦{order}⟧"}
        ⟦{stamp}⟧ fallo de acceso de {email} desde {ip} (⟦{uuid}⟧)
        Usuario {email}, contraseña: {strong}, ⟦versión 3.11.7⟧
        Soy Ana, tel. {phone}, {email}. ⟦El paquete PQ4F6P0712345 no llegó.⟧
    """),
    kept=_lines("""
        ⟦He olvidado mi contraseña.⟧
        ⟦Mi contraseña es incorrecta, dice la aplicación.⟧
        ⟦Cambiar la contraseña: Ajustes > Cuenta⟧
        ⟦La contraseña debe tener al menos 12 caracteres.⟧
        ⟦La clave es la paciencia.⟧
        ⟦¿Hace falta una clave de API para el plan gratuito?⟧
        ⟦Mi móvil está roto.⟧
        ⟦El límite es de 128.000 tokens.⟧
        ⟦Pedido n.º {order}⟧ del ⟦28/11/2024⟧
        ⟦Factura F-2024-00123, 1.299,00 €⟧
        ⟦Ana García, calle Mayor 12, 28013 Madrid⟧
        ⟦Número de seguimiento PQ4F6P0712345⟧
        ⟦Cita el 28/11/2024, 10:30-11:15, sala 4.2.1⟧
        ⟦Número de cliente 40021938⟧
        ⟦La tarjeta fue rechazada.⟧
        ⟦Véase la sección 4.2.1.3, páginas 1000-1024.⟧
        ⟦Vuelo IB 2490, asiento 14C⟧
        ⟦las palabras clave son: envío, precio y plazo⟧
        ⟦3,5 millones de usuarios, 1 000 000 peticiones, 99,95 %⟧
        ⟦El DNI caduca en 2027.⟧
    """),
    kept_numbers=(
        "⟦Pedido {no_card}⟧",
        "⟦referencia {no_iban}⟧",
        "⟦expediente {wrong_number}⟧",
        "⟦el artículo {wrong_number} está agotado⟧",
    ),
)

_ITALIAN = Table(
    phones=_bars(
        "333 N######|347-N######|338/N######|333N######|333 N## ####|06 N#######|02 N### ####|02/N#######|+39 333 N######|+39 333 N## ####|+39333N######|0039 333 N######|+39 06 N#######|(+39) 347 N######|+41 91 N## ## ##"
    ),
    people=_bars("anna rossi|luca bianchi|giulia conti|marco ferri|sara greco|paolo riva"),
    domains=_bars("libero.it|tiscali.it|pec.esempio.it|virgilio.it|ditta-esempio.com"),
    ibans=("IT", "DE", "CH"),
    password_words=_bars("estate|amore|juventus|farfalla|andrea"),
    words=_named(
        email="Email|E-mail|Posta elettronica|la mia mail|Indirizzo e-mail|PEC",
        phone="Telefono|Tel.|Cellulare|Cell.|il mio numero|numero di telefono|Recapito",
        card="Numero carta|Carta di credito|numero della carta|Visa",
        iban="IBAN|conto|conto corrente|coordinate bancarie",
        ip="Indirizzo IP|IP|IP di origine",
        key="chiave API|chiave segreta|token di accesso|token|API key",
        password="password|Password|la mia password|parola d'ordine|parola chiave|Password di accesso|pwd|password del Wi-Fi",
    ),
    numbers=_named(
        it_codice_fiscale="codice fiscale|C.F.|CF|Cod. fiscale|Codice Fiscale",
        it_partita_iva="Partita IVA|P. IVA|P.IVA",
        ch_ahv="numero AVS|N. AVS",
    ),
    copulas=_bars("{w}: {v}|{w} è {v}|{w} = {v}|{w}={v}|{w}:{v}|{w} è: {v}|{w} e' {v}"),
    carriers=_lines("""
        Ciao, da stamattina non riesco a entrare. {}. Grazie!
        {}
        Aggiornate il mio account, {}, e ⟦fatemi sapere⟧.
        ⟦Ticket 2024-00123⟧: {}
        Buongiorno,\\n{}\\n⟦Cordiali saluti, Anna Rossi⟧
        {} (⟦ordine {order}⟧)
    """),
    said=_said("""
        email> Potete scrivermi a {email} o ⟦dopo le 17⟧.
        email> Mandate la fattura a {email}.
        email> Da: Anna Rossi <{email}>\\nOggetto: ⟦Rimborso {order}⟧
        phone> Chiamatemi al {phone}, ⟦dopo le 10:30⟧.
        phone> Il mio nuovo cellulare: {phone}, l'altro non funziona più.
        phone> Sono reperibile al numero {phone}
        phone> Tel. {phone} - Fax {phone}
        card> Ho pagato con {card}, scade ⟦09/27⟧.
        card> Addebitate la mia Visa {card} per favore.
        iban> Fate il bonifico su {iban}.
        iban> Le mie coordinate: {iban}, ⟦Banca Intesa⟧
        ip> Le richieste da {ip} sono bloccate ⟦dal 04/03/2025⟧.
        ip> il server ({ip}) risponde ⟦HTTP 503⟧
        url> Non si collega a {url} da ieri
        url> DATABASE_URL={url}
        key> Uso la chiave {key} e ricevo ⟦401 Unauthorized⟧.
        key> La mia chiave API è {key}
        key> client = Client(api_key="{key}")
        password> La mia password è {strong} ma ⟦l'accesso è negato⟧.
        password> Ho provato tre volte con la password {strong}
        password> utente: arossi / password: {strong}
        password> parola d'ordine: "{password}"
        password> PIN: {pin}
        password> Il PIN è {pin}, ⟦camera 12⟧
        password> Password: {password}
        password> Parola d'ordine è {strong}
    """),
    bare=_lines("""
        Me lo avevate chiesto: {v}.
        Per la registrazione ieri ho dato {v}
    """),
    mixed=_lines("""
        Nome: Anna Rossi\\nTelefono: {phone}\\nEmail: {email}\\n⟦Ordine: {order}⟧
        {"nome": "Anna Rossi", "email": "{email}", "telefono": "{phone}", "iban": "{iban}", "ordine": "⟦{order}⟧"}
        ⟦{stamp}⟧ accesso fallito di {email} da {ip} (⟦{uuid}⟧)
        Utente {email}, password: {strong}, ⟦versione 3.11.7⟧
        Sono Anna, cell. {phone}, {email}. ⟦Il pacco 3UW1234567890 non è arrivato.⟧
    """),
    kept=_lines("""
        ⟦Ho dimenticato la password.⟧
        ⟦La mia password è sbagliata, dice l'app.⟧
        ⟦Cambiare la password: Impostazioni > Account⟧
        ⟦La password deve avere almeno 12 caratteri.⟧
        ⟦La password è scaduta.⟧
        ⟦Serve una chiave API per il piano gratuito?⟧
        ⟦Il mio cellulare è rotto.⟧
        ⟦Il limite è di 128.000 token.⟧
        ⟦Ordine n. {order}⟧ del ⟦28/11/2024⟧
        ⟦Fattura 2024/00123, 1.299,00 €⟧
        ⟦Anna Rossi, via Roma 12, 00184 Roma⟧
        ⟦Numero di spedizione 3UW1234567890⟧
        ⟦Appuntamento il 28/11/2024, 10:30-11:15, sala 4.2.1⟧
        ⟦Codice cliente 40021938⟧
        ⟦La carta di credito è stata rifiutata.⟧
        ⟦Vedi sezione 4.2.1.3, pagine 1000-1024.⟧
        ⟦Volo AZ 2490, posto 14C⟧
        ⟦le parole chiave sono: prezzo, spedizione⟧
        ⟦3,5 milioni di utenti, 1 000 000 richieste, 99,95 %⟧
        ⟦Il codice fiscale è sulla tessera sanitaria.⟧
    """),
    kept_numbers=(
        "⟦Ordine {no_card}⟧",
        "⟦riferimento {no_iban}⟧",
        "⟦pratica {wrong_number}⟧",
        "⟦l'articolo {wrong_number} è esaurito⟧",
    ),
)

_PORTUGUESE = Table(
    phones=_bars(
        "912 ### ###|91N######|21N ### ###|+351 912 ### ###|+35191N######|00351 912 ### ###|(11) 9N###-####|11 9N###-####|(21) N###-####|+55 11 9N###-####|+55 (11) 9N###-####|+55119N#######|11 9 N### ####|0800 N## ####|(11)9N#######"
    ),
    people=_bars("ana silva|joao pereira|beatriz costa|rui santos|larissa alves|pedro nunes"),
    domains=_bars("sapo.pt|uol.com.br|bol.com.br|exemplo.pt|empresa-exemplo.com.br"),
    ibans=("PT", "BR", "ES"),
    password_words=_bars("saudade|flamengo|benfica|estrela|familia"),
    words=_named(
        email="E-mail|Email|Correio eletrónico|meu e-mail|Endereço de e-mail",
        phone="Telefone|Tel.|Telemóvel|Celular|meu número|Fone|número de telefone",
        card="Número do cartão|Cartão|cartão de crédito|Visa",
        iban="IBAN|conta|conta bancária|número da conta",
        ip="Endereço IP|IP|IP de origem",
        key="chave de API|chave da API|token de acesso|token|chave secreta",
        password="senha|Senha|minha senha|palavra-passe|Palavra-passe|palavra passe|senha de acesso|senha do Wi-Fi|a minha palavra-passe",
    ),
    numbers=_named(
        pt_nif="NIF|contribuinte|N.º de contribuinte|número de contribuinte",
        br_cpf="CPF|meu CPF|CPF nº",
        br_cnpj="CNPJ",
    ),
    copulas=_bars("{w}: {v}|{w} é {v}|{w} = {v}|{w}={v}|{w}:{v}|{w} é: {v}|{w} é a seguinte: {v}"),
    carriers=_lines("""
        Olá, não consigo entrar desde hoje cedo. {}. Obrigada!
        {}
        Atualizem a minha conta, {}, e ⟦avisem quando estiver pronto⟧.
        ⟦Chamado 2024-00123⟧: {}
        Bom dia,\\n{}\\n⟦Atenciosamente, Ana Silva⟧
        {} (⟦pedido {order}⟧)
    """),
    said=_said("""
        email> Podem escrever para {email} ou ⟦depois das 17 h⟧.
        email> Enviem a fatura para {email}.
        email> De: Ana Silva <{email}>\\nAssunto: ⟦Reembolso {order}⟧
        phone> Liguem para {phone}, ⟦depois das 10h30⟧.
        phone> Meu celular novo: {phone}, o outro não funciona mais.
        phone> O meu telemóvel é {phone}
        phone> Tel. {phone} / Zap {phone}
        card> Paguei com {card}, validade ⟦09/27⟧.
        card> Cobrem no meu Visa {card} por favor.
        iban> Façam a transferência para {iban}.
        iban> Os meus dados bancários: {iban}, ⟦Banco BPI⟧
        ip> Os pedidos de {ip} estão bloqueados ⟦desde 04/03/2025⟧.
        ip> o servidor ({ip}) responde ⟦HTTP 503⟧
        url> Não conecta em {url} agora
        url> DATABASE_URL={url}
        key> Uso a chave {key} e recebo ⟦401 Unauthorized⟧.
        key> Minha chave de API é {key}
        key> client = Client(api_key="{key}")
        password> Minha senha é {strong} mas ⟦o acesso é negado⟧.
        password> Tentei três vezes com a senha {strong}
        password> usuário: asilva / senha: {strong}
        password> palavra-passe: "{password}"
        password> PIN: {pin}
        password> O PIN é {pin}, ⟦quarto 12⟧
        password> Senha: {password}
        password> A palavra-passe é {strong}
    """),
    bare=_lines("""
        Vocês pediram: {v}.
        Para o cadastro informei ontem {v}
    """),
    mixed=_lines("""
        Nome: Ana Silva\\nTelefone: {phone}\\nE-mail: {email}\\n⟦Pedido: {order}⟧
        {"nome": "Ana Silva", "email": "{email}", "telefone": "{phone}", "cpf": "{br_cpf}", "pedido": "⟦{order}⟧"}
        ⟦{stamp}⟧ falha de acesso de {email} em {ip} (⟦{uuid}⟧)
        Usuário {email}, senha: {strong}, ⟦versão 3.11.7⟧
        Sou a Ana, tel. {phone}, {email}. ⟦A encomenda RR123456785BR não chegou.⟧
    """),
    kept=_lines("""
        ⟦Esqueci a minha senha.⟧
        ⟦Minha senha está errada, diz o aplicativo.⟧
        ⟦Mudar a palavra-passe: Definições > Conta⟧
        ⟦A senha deve ter pelo menos 12 caracteres.⟧
        ⟦A senha é obrigatória.⟧
        ⟦Preciso de uma chave de API no plano gratuito?⟧
        ⟦O meu telemóvel está avariado.⟧
        ⟦O limite é de 128.000 tokens.⟧
        ⟦Pedido n.º {order}⟧ de ⟦28/11/2024⟧
        ⟦Fatura FT 2024/123, R$ 1.299,00⟧
        ⟦Ana Silva, Rua Augusta 12, 1100-048 Lisboa⟧
        ⟦CEP 01310-100, São Paulo⟧
        ⟦Código de rastreio RR123456785BR⟧
        ⟦Reunião em 28/11/2024, 10h30-11h15, sala 4.2.1⟧
        ⟦Número de cliente 40021938⟧
        ⟦O cartão foi recusado.⟧
        ⟦Ver secção 4.2.1.3, páginas 1000-1024.⟧
        ⟦Voo TP 2490, lugar 14C⟧
        ⟦3,5 milhões de utilizadores, 1 000 000 pedidos, 99,95 %⟧
        ⟦O CPF é pedido no cadastro.⟧
    """),
    kept_numbers=(
        "⟦Pedido {no_card}⟧",
        "⟦referência {no_iban}⟧",
        "⟦processo {wrong_number}⟧",
        "⟦o artigo {wrong_number} está esgotado⟧",
    ),
)

_DUTCH = Table(
    phones=_bars(
        "06 N#######|06-N#######|06N#######|06 N# ## ## ##|020-N######|020 N## ####|(020) N######|+31 6 N#######|+316N#######|+31 (0)6 N#######|0031 6 N#######|+31 20 N## ####|0470 N# ## ##|+32 470 N# ## ##|0318 N#####"
    ),
    people=_bars("anna jansen|daan bakker|sanne smit|bram visser|lotte mulder|kees dekker"),
    domains=_bars("ziggo.nl|kpnmail.nl|xs4all.nl|voorbeeld.be|bedrijf-voorbeeld.nl"),
    ibans=("NL", "BE", "DE"),
    password_words=_bars("zomer|welkom|ajax|vlinder|konijn"),
    words=_named(
        email="E-mail|E-mailadres|mijn mail|Mailadres",
        phone="Telefoon|Tel.|Telefoonnummer|Mobiel|06-nummer|mijn nummer|gsm",
        card="Kaartnummer|creditcard|Creditcardnummer|Visa",
        iban="IBAN|rekening|rekeningnummer|bankrekening",
        ip="IP-adres|IP|bron-IP",
        key="API-sleutel|toegangstoken|token|geheime sleutel|API-key",
        password="wachtwoord|Wachtwoord|mijn wachtwoord|ww|WW|inlogcode|wifi-wachtwoord|toegangscode",
    ),
    numbers=_named(
        nl_bsn="BSN|burgerservicenummer|BSN-nummer|sofinummer", be_national="rijksregisternummer|INSZ|Rijksregisternr."
    ),
    copulas=_bars("{w}: {v}|{w} is {v}|{w} = {v}|{w}={v}|{w}:{v}|{w} is: {v}|{w} luidt {v}"),
    carriers=_lines("""
        Hoi, ik kom er sinds vanochtend niet meer in. {}. Bedankt!
        {}
        Werk mijn account bij, {}, en ⟦laat het me weten⟧.
        ⟦Ticket 2024-00123⟧: {}
        Goedemorgen,\\n{}\\n⟦Met vriendelijke groet, Anna Jansen⟧
        {} (⟦bestelling {order}⟧)
    """),
    said=_said("""
        email> Je kunt me bereiken op {email} of ⟦na 17 uur⟧.
        email> Stuur de factuur naar {email}.
        email> Van: Anna Jansen <{email}>\\nOnderwerp: ⟦Terugbetaling {order}⟧
        phone> Bel me op {phone}, ⟦na 10.30 uur⟧.
        phone> Mijn nieuwe mobiel: {phone}, de oude werkt niet meer.
        phone> Ik ben bereikbaar op {phone}
        phone> Tel. {phone}, fax {phone}
        card> Ik heb betaald met {card}, geldig tot ⟦09/27⟧.
        card> Schrijf het af van mijn Visa {card} alsjeblieft.
        iban> Maak het bedrag over naar {iban}.
        iban> Mijn bankgegevens: {iban}, ⟦ING Amsterdam⟧
        ip> Verzoeken van {ip} worden ⟦sinds 04-03-2025⟧ geblokkeerd.
        ip> de server ({ip}) antwoordt met ⟦HTTP 503⟧
        url> Verbinden met {url} lukt niet
        url> DATABASE_URL={url}
        key> Ik gebruik de sleutel {key} en krijg ⟦401 Unauthorized⟧.
        key> Mijn API-sleutel is {key}
        key> client = Client(api_key="{key}")
        password> Mijn wachtwoord is {strong} maar ⟦de toegang wordt geweigerd⟧.
        password> Ik heb het drie keer met het wachtwoord {strong} geprobeerd
        password> gebruiker: ajansen / ww: {strong}
        password> wachtwoord: "{password}"
        password> pincode: {pin}
        password> De pincode is {pin}, ⟦kamer 12⟧
        password> Wachtwoord: {password}
        password> inloggen met admin, wachtwoord={strong}
    """),
    bare=_lines("""
        Jullie vroegen erom: {v}.
        Voor de aanmelding gaf ik gisteren {v} op
    """),
    mixed=_lines("""
        Naam: Anna Jansen\\nTelefoon: {phone}\\nE-mail: {email}\\n⟦Bestelling: {order}⟧
        {"naam": "Anna Jansen", "email": "{email}", "telefoon": "{phone}", "iban": "{iban}", "bestelling": "⟦{order}⟧"}
        ⟦{stamp}⟧ inloggen van {email} vanaf {ip} mislukt (⟦{uuid}⟧)
        Gebruiker {email}, wachtwoord: {strong}, ⟦versie 3.11.7⟧
        Ik ben Anna, {phone}, {email}. ⟦Pakket 3SABCD123456789 kwam nooit aan.⟧
    """),
    kept=_lines("""
        ⟦Ik ben mijn wachtwoord vergeten.⟧
        ⟦Mijn wachtwoord is onjuist, zegt de app.⟧
        ⟦Wachtwoord wijzigen: Instellingen > Account⟧
        ⟦Het wachtwoord moet minstens 12 tekens hebben.⟧
        ⟦Het wachtwoord is verlopen.⟧
        ⟦Heb ik voor het gratis plan een API-sleutel nodig?⟧
        ⟦Mijn mobiel is stuk.⟧
        ⟦De limiet is 128.000 tokens.⟧
        ⟦Bestelnummer {order}⟧ van ⟦28-11-2024⟧
        ⟦Factuur 2024-00123, € 1.299,00⟧
        ⟦Anna Jansen, Dorpsstraat 12, 1012 AB Amsterdam⟧
        ⟦Track & trace 3SABCD123456789⟧
        ⟦Afspraak op 28-11-2024, 10:30-11:15, zaal 4.2.1⟧
        ⟦Klantnummer 40021938⟧
        ⟦De creditcard is geweigerd.⟧
        ⟦Zie paragraaf 4.2.1.3, pagina 1000-1024.⟧
        ⟦Vlucht KL 2490, stoel 14C⟧
        ⟦KvK 12345678⟧
        ⟦3,5 miljoen gebruikers, 1 000 000 verzoeken, 99,95 %⟧
        ⟦Het BSN staat op je paspoort.⟧
    """),
    kept_numbers=(
        "⟦Bestelling {no_card}⟧",
        "⟦referentie {no_iban}⟧",
        "⟦zaak {wrong_number}⟧",
        "⟦artikel {wrong_number} is uitverkocht⟧",
    ),
)

_POLISH = Table(
    phones=_bars(
        "501 ### ###|50N-###-###|50N######|22 N## ## ##|(22) N## ## ##|22-N##-##-##|+48 501 ### ###|+4850N######|0048 501 ### ###|+48 22 N## ## ##|(+48) 60N ### ###|+48-60N-###-###|60N ## ## ##"
    ),
    people=_bars("anna kowalska|piotr nowak|ewa lis|tomasz wilk|kasia mazur|jan zielinski"),
    domains=_bars("wp.pl|onet.pl|interia.pl|przyklad.com.pl|firma-przyklad.pl"),
    ibans=("PL", "DE", "GB"),
    password_words=_bars("lato|kochanie|polska|misiek|legia"),
    words=_named(
        email="E-mail|Adres e-mail|mój mail|Poczta",
        phone="Telefon|Tel.|Nr tel.|Komórka|numer telefonu|mój numer|tel. kom.",
        card="Numer karty|Karta|karta kredytowa|Visa",
        iban="IBAN|Numer konta|konto|rachunek bankowy|nr rachunku",
        ip="Adres IP|IP|IP klienta",
        key="klucz API|token dostępu|token|tajny klucz|klucz dostępu",
        password="hasło|Hasło|moje hasło|haslo|Hasło do Wi-Fi|hasło dostępu|hasło tymczasowe",
    ),
    numbers=_named(pl_pesel="PESEL|numer PESEL|nr PESEL|mój PESEL", pl_nip="NIP|numer NIP|nr NIP"),
    copulas=_bars("{w}: {v}|{w} to {v}|{w} = {v}|{w}={v}|{w}:{v}|{w} jest {v}|{w} to: {v}|{w} brzmi {v}"),
    carriers=_lines("""
        Cześć, od rana nie mogę się zalogować. {}. Dzięki!
        {}
        Proszę zaktualizować moje konto, {}, i ⟦dać mi znać⟧.
        ⟦Zgłoszenie 2024-00123⟧: {}
        Dzień dobry,\\n{}\\n⟦Pozdrawiam, Anna Kowalska⟧
        {} (⟦zamówienie {order}⟧)
    """),
    said=_said("""
        email> Można pisać na {email} albo ⟦po 17⟧.
        email> Proszę wysłać fakturę na {email}.
        email> Od: Anna Kowalska <{email}>\\nTemat: ⟦Zwrot {order}⟧
        phone> Proszę dzwonić pod {phone}, ⟦po 10:30⟧.
        phone> Mój nowy telefon: {phone}, stary już nie działa.
        phone> Jestem pod numerem {phone}
        phone> Tel. {phone}, faks {phone}
        card> Płaciłam kartą {card}, ważna do ⟦09/27⟧.
        card> Proszę obciążyć moją kartę Visa {card} dzisiaj.
        iban> Proszę o przelew na {iban}.
        iban> Moje dane do przelewu: {iban}, ⟦PKO Warszawa⟧
        ip> Żądania z {ip} są blokowane ⟦od 04.03.2025⟧.
        ip> serwer ({ip}) odpowiada ⟦HTTP 503⟧
        url> Nie łączy się z {url} od wczoraj
        url> DATABASE_URL={url}
        key> Używam klucza {key} i dostaję ⟦401 Unauthorized⟧.
        key> Mój klucz API to {key}
        key> client = Client(api_key="{key}")
        password> Moje hasło to {strong}, ale ⟦odmawia dostępu⟧.
        password> Próbowałam trzy razy z hasłem {strong}
        password> login: akowalska / hasło: {strong}
        password> hasło: „{password}”
        password> PIN: {pin}
        password> PIN to {pin}, ⟦pokój 12⟧
        password> Hasło: {password}
        password> haslo={strong}
    """),
    bare=_lines("""
        Prosili Państwo o to: {v}.
        Przy rejestracji podałam wczoraj {v}
    """),
    mixed=_lines("""
        Imię: Anna Kowalska\\nTelefon: {phone}\\nE-mail: {email}\\n⟦Zamówienie: {order}⟧
        {"imie": "Anna Kowalska", "email": "{email}", "telefon": "{phone}", "pesel": "{pl_pesel}", "zamowienie": "⟦{order}⟧"}
        ⟦{stamp}⟧ nieudane logowanie {email} z {ip} (⟦{uuid}⟧)
        Login {email}, hasło: {strong}, ⟦wersja 3.11.7⟧
        Jestem Anna, tel. {phone}, {email}. ⟦Paczka 620999681234567812345678 nie dotarła.⟧
    """),
    kept=_lines("""
        ⟦Zapomniałam hasła.⟧
        ⟦Nie pamiętam hasła do konta.⟧
        ⟦Moje hasło jest nieprawidłowe, mówi aplikacja.⟧
        ⟦Zmiana hasła: Ustawienia > Konto⟧
        ⟦Hasło musi mieć co najmniej 12 znaków.⟧
        ⟦Hasło wygasło.⟧
        ⟦Czy w darmowym planie potrzebny jest klucz API?⟧
        ⟦Mój telefon jest zepsuty.⟧
        ⟦Limit to 128 000 tokenów.⟧
        ⟦Zamówienie nr {order}⟧ z ⟦28.11.2024⟧
        ⟦Faktura FV/2024/00123, 1 299,00 zł⟧
        ⟦Anna Kowalska, ul. Długa 12, 00-238 Warszawa⟧
        ⟦Spotkanie 28.11.2024, 10:30-11:15, sala 4.2.1⟧
        ⟦Numer klienta 40021938⟧
        ⟦Karta została odrzucona.⟧
        ⟦Zob. punkt 4.2.1.3, strony 1000-1024.⟧
        ⟦Lot LO 2490, miejsce 14C⟧
        ⟦Dz.U. 2018 poz. 1000⟧
        ⟦3,5 mln użytkowników, 1 000 000 żądań, 99,95 %⟧
        ⟦PESEL jest w dowodzie.⟧
    """),
    kept_numbers=(
        "⟦Zamówienie {no_card}⟧",
        "⟦referencja {no_iban}⟧",
        "⟦sprawa {wrong_number}⟧",
        "⟦artykuł {wrong_number} jest niedostępny⟧",
    ),
)

_JAPANESE = Table(
    phones=_bars(
        "090-N###-####|080-N###-####|070N#######|090N#######|03-N###-####|06-N###-####|045-N##-####|03(N###)####|0120-N##-###|090 N### ####|+81 90-N###-####|+81-3-N###-####|+8190N#######|0422-N#-####"
    ),
    people=_bars("hanako yamada|taro suzuki|yuki tanaka|ken ito|aya nakamura|sora mori"),
    domains=_bars("docomo.ne.jp|example.co.jp|yahoo.co.jp|rei.example.jp|softbank.ne.jp"),
    ibans=("DE", "GB", "FR"),
    password_words=_bars("sakura|natsu|tokyo|neko|hanabi"),
    words=_named(
        email="メールアドレス|メール|Eメール|連絡先メール|E-mail",
        phone="電話番号|電話|携帯|携帯番号|TEL|連絡先|お電話番号|FAX",
        card="カード番号|クレジットカード番号|クレジットカード|クレカ番号",
        iban="IBAN|口座番号|IBANコード|銀行口座",
        ip="IPアドレス|IP|接続元IP",
        key="APIキー|アクセストークン|トークン|シークレットキー|秘密鍵",
        password="パスワード|ログインパスワード|パスコード|合言葉|仮パスワード|PW|Wi-Fiのパスワード|パスフレーズ",
    ),
    numbers=_named(jp_my_number="マイナンバー|個人番号|マイナンバー（個人番号）|my number|マイナンバーカードの番号"),
    copulas=_bars("{w}：{v}|{w}は{v}です|{w}は{v}|{w}: {v}|{w}＝{v}|{w}={v}|{w}「{v}」|{w}は「{v}」です|{w}:{v}"),
    carriers=_lines("""
        お世話になっております。今朝からログインできません。{}。よろしくお願いします。
        {}
        登録の変更をお願いします。{}、⟦終わりましたらご連絡ください⟧。
        【⟦問い合わせ番号20240123⟧】{}
        {}\\n⟦山田花子⟧
        {}（⟦注文番号{order}⟧）
    """),
    said=_said("""
        email> 私のメールは{email}です。
        email> 請求書を{email}に送ってください。
        email> 差出人：山田花子<{email}>\\n件名：⟦返金について{order}⟧
        email> {email}まで⟦ご連絡ください⟧
        phone> 電話番号は{phone}です。⟦10時30分以降⟧にお願いします。
        phone> 新しい携帯は{phone}なので、こちらにかけてください。
        phone> {phone}までお電話ください。
        phone> TEL{phone}／FAX{phone}
        phone> 山田（{phone}）です
        card> カード番号は{card}で、有効期限は⟦09/27⟧です。
        card> {card}で支払いました。
        iban> 返金は{iban}に振り込んでください。
        iban> IBANは{iban}です、⟦ドイツ銀行⟧
        ip> アクセス元IPは{ip}です。⟦2025年3月4日⟧から遮断されています。
        ip> サーバー（{ip}）が⟦HTTP 503⟧を返す
        ip> {ip}からのアクセスを許可して
        url> 接続先は{url} です
        url> DATABASE_URL={url}
        key> APIキー{key}を使うと⟦401 Unauthorized⟧になります。
        key> トークンは{key}です
        key> client = Client(api_key="{key}")
        password> パスワードは{strong}ですが、⟦ログインできません⟧。
        password> パスワード「{strong}」で三回試しました
        password> ID：yamada／パスワード：{strong}
        password> パスワード："{password}"
        password> 暗証番号は{pin}です。
        password> 暗証番号：{pin}、⟦部屋は12号室⟧
        password> PINコードは{pin}
        password> パスワード：{password}
    """),
    bare=_lines("""
        ご依頼の番号です：{v}
        昨日{v}で申し込みました
    """),
    mixed=_lines("""
        氏名：山田花子\\n電話：{phone}\\nメール：{email}\\n⟦注文番号：{order}⟧
        {"氏名": "山田花子", "メール": "{email}", "電話番号": "{phone}", "カード": "{card}", "注文": "⟦{order}⟧"}
        ⟦{stamp}⟧ {email}が{ip}からログインに失敗（⟦{uuid}⟧）
        ログインは{email}、パスワードは{strong}、⟦バージョン3.11.7⟧
        山田です。{phone}、{email}。⟦荷物4444-5555-6666が届きません。⟧
    """),
    kept=_lines("""
        ⟦パスワードを忘れました。⟧
        ⟦パスワードは間違っていますと表示されます。⟧
        ⟦パスワードの変更：設定＞アカウント⟧
        ⟦パスワードは12文字以上にしてください。⟧
        ⟦パスワードは期限切れです。⟧
        ⟦無料プランでもAPIキーは必要ですか？⟧
        ⟦携帯が壊れました。⟧
        ⟦トークンの上限は128000です。⟧
        ⟦注文番号{order}⟧、⟦2024年11月28日⟧
        ⟦請求書2024-00123、12,990円⟧
        ⟦〒100-0001 東京都千代田区千代田1-1-1⟧
        ⟦山田花子様⟧
        ⟦お問い合わせ伝票番号 4444-5555-6666⟧
        ⟦会議は2024/11/28 10:30〜11:15、第4会議室⟧
        ⟦お客様番号40021938⟧
        ⟦クレジットカードが使えませんでした。⟧
        ⟦第4.2.1.3節、1000-1024ページを参照⟧
        ⟦バージョン１．２．３．４⟧
        ⟦注文番号２０２４−００１２３⟧
        ⟦JL2490便、座席14C⟧
        ⟦350万人、1,000,000件、99.95％⟧
        ⟦令和6年11月28日⟧
        ⟦マイナンバーは不要です。⟧
    """),
    kept_numbers=(
        "⟦注文番号{no_card}⟧",
        "⟦参照番号{no_iban}⟧",
        "⟦受付番号{wrong_number}⟧",
        "⟦商品{wrong_number}は在庫切れ⟧",
    ),
    wide=True,
    local_card="3541",
)

_CHINESE = Table(
    phones=_bars(
        "138########|139 #### ####|186-####-####|+86 138 #### ####|+86138########|0086 138########|+86-139-####-####|010-N#######|021-N### ####|(0755)N#######|400-N##-####|0912-###-###|0912 ### ###|(02) N###-####|+886 912 ### ###|+852 9N## ####"
    ),
    people=_bars("wei zhang|fang li|xiaoming wang|mei chen|jun zhao|lin huang"),
    domains=_bars("qq.com|163.com|126.com|example.com.cn|example.com.tw"),
    ibans=("DE", "GB", "FR"),
    password_words=_bars("woaini|zhongguo|xiaotian|beijing|longlong"),
    words=_named(
        email="邮箱|电子邮箱|电子邮件|邮箱地址|電子郵件|信箱|E-mail",
        phone="电话|手机|手机号|手机号码|联系电话|電話|手機號碼|微信同号",
        card="卡号|信用卡号|银行卡号|信用卡|信用卡號",
        iban="IBAN|账号|银行账户|收款账号|帳號",
        ip="IP地址|IP|来源IP|客户端IP",
        key="API密钥|访问令牌|令牌|密钥|API Key|存取權杖",
        password="密码|密碼|口令|登录密码|我的密码|登入密碼|WiFi密码|初始密码|支付密码",
    ),
    numbers=_named(
        cn_resident="身份证号|个人身份证号|身份证|身份证号码|居民身份证",
        tw_national="身分證字號|身分證號碼|統一編號（身分證）",
        hk_identity="香港身份证|身份證號碼|HKID",
    ),
    copulas=_bars("{w}：{v}|{w}是{v}|{w}为{v}|{w}: {v}|{w}={v}|{w}:{v}|{w}是：{v}|{w}【{v}】|{w}“{v}”"),
    carriers=_lines("""
        你好，今天早上开始登录不了。{}，谢谢！
        {}
        请帮我更新资料，{}，⟦完成后通知我⟧。
        【⟦工单20240123⟧】{}
        {}\\n⟦张伟⟧
        {}（⟦订单号{order}⟧）
    """),
    said=_said("""
        email> 我的邮箱是{email}请联系
        email> 发票请发到{email}。
        email> 发件人：张伟<{email}>\\n主题：⟦退款{order}⟧
        email> 请寄至{email}，⟦谢谢⟧
        phone> 我的手机号是{phone}，⟦10点30分以后⟧联系我。
        phone> 请拨打{phone}找我
        phone> 新号码{phone}已启用，旧的停用了。
        phone> 电话{phone}传真{phone}
        phone> 請打{phone}給我
        card> 我用{card}付的款，有效期⟦09/27⟧。
        card> 卡号{card}被多扣了一次
        iban> 请把退款转到{iban}。
        iban> 我的IBAN是{iban}，⟦德意志银行⟧
        ip> 来自{ip}的请求⟦从2025年3月4日起⟧被拦截。
        ip> 服务器（{ip}）返回⟦HTTP 503⟧
        ip> 访问IP是{ip}的用户
        url> 连接地址是{url} 连不上
        url> DATABASE_URL={url}
        key> 我用密钥{key}时报⟦401 Unauthorized⟧。
        key> 我的API密钥是{key}
        key> client = Client(api_key="{key}")
        password> 我的密码是{strong}，但是⟦提示拒绝访问⟧。
        password> 我用密码{strong}试了三次
        password> 用户名：zhangwei，密码：{strong}
        password> 密码："{password}"
        password> PIN码：{pin}
        password> 支付密码是{pin}，⟦12号房间⟧
        password> 密碼：{password}
        password> 口令为{strong}
    """),
    bare=_lines("""
        您要的号码：{v}
        昨天我用{v}登记的
    """),
    mixed=_lines("""
        姓名：张伟\\n电话：{phone}\\n邮箱：{email}\\n⟦订单号：{order}⟧
        {"姓名": "张伟", "邮箱": "{email}", "手机": "{phone}", "身份证号": "{cn_resident}", "订单": "⟦{order}⟧"}
        ⟦{stamp}⟧ {email}从{ip}登录失败（⟦{uuid}⟧）
        账号{email}，密码：{strong}，⟦版本3.11.7⟧
        我是张伟，{phone}，{email}。⟦快递SF1234567890123没收到。⟧
    """),
    kept=_lines("""
        ⟦我忘记密码了。⟧
        ⟦忘記密碼怎麼辦？⟧
        ⟦系统提示密码是错误的。⟧
        ⟦修改密码：设置＞账户⟧
        ⟦密码至少要12个字符。⟧
        ⟦密码已过期。⟧
        ⟦免费版需要API密钥吗？⟧
        ⟦我的手机坏了。⟧
        ⟦令牌上限是128000。⟧
        ⟦订单号{order}⟧，⟦2024年11月28日⟧
        ⟦发票2024-00123，1299.00元⟧
        ⟦张伟，北京市朝阳区建国路88号，邮编100022⟧
        ⟦快递单号SF1234567890123⟧
        ⟦会议时间2024/11/28 10:30-11:15，4号会议室⟧
        ⟦客户编号40021938⟧
        ⟦信用卡被拒了。⟧
        ⟦见第4.2.1.3节，第1000-1024页⟧
        ⟦版本１．２．３．４⟧
        ⟦订单号２０２４００１２３⟧
        ⟦航班CA2490，座位14C⟧
        ⟦350万用户，1,000,000次请求，99.95％⟧
        ⟦不需要提供身份证号。⟧
        ⟦手机尾号是尾数而已⟧
    """),
    kept_numbers=("⟦订单号{no_card}⟧", "⟦参考号{no_iban}⟧", "⟦流水号{wrong_number}⟧", "⟦商品{wrong_number}缺货⟧"),
    wide=True,
    local_card="62",
)

_KOREAN = Table(
    phones=_bars(
        "010-N###-####|010 N### ####|010N#######|010.N###.####|02-N##-####|02-N###-####|031-N##-####|02)N##-####|070-N###-####|1588-####|+82 10-N###-####|+82-10-N###-####|+8210N#######|+82 2 N### ####|011-N##-####"
    ),
    people=_bars("minsu kim|jiyoung lee|hyun park|sora choi|jun jung|yuna han"),
    domains=_bars("naver.com|daum.net|hanmail.net|example.co.kr|kakao.com"),
    ibans=("DE", "GB", "FR"),
    password_words=_bars("sarang|seoul|minsu|haneul|gamja"),
    words=_named(
        email="이메일|메일|이메일 주소|메일주소|E-mail",
        phone="전화번호|전화|휴대폰|핸드폰|연락처|휴대폰 번호|핸드폰번호",
        card="카드번호|카드 번호|신용카드|신용카드 번호",
        iban="IBAN|계좌|계좌번호|해외계좌",
        ip="IP 주소|IP|아이피|접속 IP",
        key="API 키|API키|액세스 토큰|토큰|비밀 키|시크릿 키",
        password="비밀번호|비번|패스워드|암호|제 비밀번호|로그인 비밀번호|와이파이 비밀번호|임시 비밀번호",
    ),
    numbers=_named(kr_rrn="주민등록번호|주민번호|주민등록 번호", kr_business="사업자등록번호|사업자 번호"),
    copulas=_bars(
        "{w}: {v}|{w}는 {v}입니다|{w}는 {v}|{w}는{v}입니다|{w}={v}|{w} : {v}|{w}:{v}|{w}는 {v}이에요|{w} = {v}|{w}： {v}"
    ),
    carriers=_lines("""
        안녕하세요, 오늘 아침부터 로그인이 안 됩니다. {}. 감사합니다!
        {}
        정보 변경 부탁드립니다, {}, ⟦완료되면 알려 주세요⟧.
        [⟦문의 20240123⟧] {}
        {}\\n⟦김민수 드림⟧
        {} (⟦주문번호 {order}⟧)
    """),
    said=_said("""
        email> 제 이메일은 {email}입니다.
        email> 영수증은 {email}로 보내 주세요.
        email> 보낸사람: 김민수 <{email}>\\n제목: ⟦환불 {order}⟧
        email> {email}으로 ⟦연락 주세요⟧
        phone> 제 번호는 {phone}입니다, ⟦10시 30분 이후에⟧ 전화 주세요.
        phone> {phone}로 연락 주세요.
        phone> 새 번호는 {phone}이고 예전 번호는 안 됩니다.
        phone> 전화{phone} 팩스{phone}
        phone> 김민수({phone})입니다
        card> 카드번호는{card}입니다, 유효기간 ⟦09/27⟧
        card> {card}로 결제했어요.
        iban> 환불은 {iban}로 보내 주세요.
        iban> IBAN은 {iban}입니다, ⟦도이치은행⟧
        ip> {ip}에서 오는 요청이 ⟦2025년 3월 4일부터⟧ 차단됩니다.
        ip> 서버({ip})가 ⟦HTTP 503⟧을 반환
        ip> 접속 아이피는 {ip}입니다
        url> 접속 주소는 {url} 인데 안 됩니다
        url> DATABASE_URL={url}
        key> API 키 {key}를 쓰면 ⟦401 Unauthorized⟧가 나옵니다.
        key> 제 토큰은 {key}입니다
        key> client = Client(api_key="{key}")
        password> 제 비밀번호는 {strong}인데 ⟦접근이 거부됩니다⟧.
        password> 비밀번호 {strong}로 세 번 시도했어요
        password> 아이디: minsu / 비번: {strong}
        password> 비밀번호: "{password}"
        password> 핀번호: {pin}
        password> 비밀번호는 {pin}입니다, ⟦12호실⟧
        password> 암호: {password}
        password> 패스워드는 {strong}이에요
    """),
    bare=_lines("""
        요청하신 번호입니다: {v}
        어제 {v}로 신청했습니다
    """),
    mixed=_lines("""
        이름: 김민수\\n전화: {phone}\\n이메일: {email}\\n⟦주문번호: {order}⟧
        {"이름": "김민수", "이메일": "{email}", "전화번호": "{phone}", "주민번호": "{kr_rrn}", "주문": "⟦{order}⟧"}
        ⟦{stamp}⟧ {email} 님이 {ip}에서 로그인 실패 (⟦{uuid}⟧)
        아이디 {email}, 비밀번호: {strong}, ⟦버전 3.11.7⟧
        김민수입니다. {phone}, {email}. ⟦운송장 6123-4567-8901 택배가 안 왔어요.⟧
    """),
    kept=_lines("""
        ⟦비밀번호를 잊어버렸어요.⟧
        ⟦비밀번호는 틀렸다고 나옵니다.⟧
        ⟦비밀번호 변경: 설정 > 계정⟧
        ⟦비밀번호는 12자 이상이어야 합니다.⟧
        ⟦비밀번호가 만료되었습니다.⟧
        ⟦무료 요금제에도 API 키가 필요한가요?⟧
        ⟦핸드폰이 고장 났어요.⟧
        ⟦토큰 한도는 128000개입니다.⟧
        ⟦주문번호 {order}⟧, ⟦2024년 11월 28일⟧
        ⟦청구서 2024-00123, 1,299,000원⟧
        ⟦김민수, 서울특별시 중구 세종대로 110, 04524⟧
        ⟦운송장 번호 6123-4567-8901⟧
        ⟦회의는 2024-11-28 10:30~11:15, 4회의실⟧
        ⟦고객번호 40021938⟧
        ⟦신용카드가 거절되었습니다.⟧
        ⟦4.2.1.3절, 1000-1024쪽 참조⟧
        ⟦버전 1.2.3.4입니다⟧
        ⟦KE2490편, 좌석 14C⟧
        ⟦350만 명, 1,000,000건, 99.95%⟧
        ⟦주민등록번호는 필요 없습니다.⟧
        ⟦암호는 안전하게 보관하세요.⟧
    """),
    kept_numbers=(
        "⟦주문번호 {no_card}⟧",
        "⟦참조번호 {no_iban}⟧",
        "⟦접수번호 {wrong_number}⟧",
        "⟦상품 {wrong_number}은 품절⟧",
    ),
    local_card="9490",
)

TABLES = {
    "en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH, "es": _SPANISH, "it": _ITALIAN, "pt": _PORTUGUESE, "nl": _DUTCH,
    "pl": _POLISH, "ja": _JAPANESE, "zh": _CHINESE, "ko": _KOREAN,
}  # fmt: skip
